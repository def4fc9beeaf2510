//! Placement of tensors with known lifetimes in one arena: the smallest arena that a bounded search finds.
//!
//! A request is a rectangle whose width is its life in steps and whose height is its size in bytes.
//! Only its height above the floor is free: this is strip packing with fixed horizontal positions
//! ("dynamic storage allocation", NP-hard), where a rectangle may lie in part over one that ends where it begins.
//! Three stages share one incumbent, and each stops as soon as the lower bound is met:
//!
//! 1. greedy: several orders, each by first fit, by best fit and from both ends;
//! 2. local: seeded exchanges in the order of the best greedy placement, with a budget of trials;
//! 3. exact: depth first over placements from the floor upwards, with a budget of nodes.
//!
//! Nothing is random and no clock is read: the same requests give the same offsets on every machine.

use std::cmp::Reverse;

/// A tensor that wants a place in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Size in bytes.
    pub bytes: usize,
    /// First step at which the tensor is live.
    pub first: usize,
    /// Last step at which the tensor is live, inclusive; not before `first`.
    pub last: usize,
    /// The offset is a multiple of this; at least 1.
    pub align: usize,
}

/// A request whose end may lie over the start of another one, if it starts before it. One's first step is the other's last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The request that starts before the other.
    pub below: usize,
    /// The request whose first bytes it may lie over.
    pub above: usize,
    /// How many bytes at the end of `below` may lie over it; fewer than `below` has.
    pub bytes: usize,
}

impl Overlap {
    /// The step that both share.
    pub(super) fn step(&self, requests: &[Request]) -> usize {
        requests[self.below].first.max(requests[self.above].first)
    }
}

/// Where each request lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Byte offset of each request, in the order given.
    pub offsets: Vec<usize>,
    /// End of the highest request.
    pub arena_bytes: usize,
    /// The largest sum of the bytes live at one step, less what may overlap there: no placement is smaller.
    /// Sizes count rounded up to the largest alignment that all requests share.
    pub lower_bound: usize,
}

/// Nodes that the exact search may open, divided by the number of requests.
const EXACT_BUDGET: usize = 1_000_000;
/// Exchanges that the local search may try, divided by the square of the number of requests.
const LOCAL_BUDGET: usize = 5_000_000;

/// Places all requests; those that share a step share no byte but those of `overlaps`.
pub fn place(requests: &[Request], overlaps: &[Overlap]) -> Placement {
    let problem = Problem::new(requests, overlaps);
    let bound = problem.lower_bound();
    let (order, mut best) = greedy(&problem, bound);
    if best.arena > bound {
        local(&problem, bound, order, &mut best);
    }
    if best.arena > bound {
        Exact::search(&problem, bound, &mut best);
    }
    Placement { offsets: best.offsets, arena_bytes: best.arena, lower_bound: bound }
}

/// Requests with sizes of whole units, and what is near each.
struct Problem {
    requests: Vec<Request>,
    overlaps: Vec<Overlap>,
    neighbors: Vec<Vec<Neighbor>>,
}

/// A request that shares a step with another one, "this".
#[derive(Clone, Copy)]
struct Neighbor {
    index: usize,
    /// This starts at least so many bytes after the neighbor, or
    above: usize,
    /// so many bytes before it.
    below: usize,
}

impl Problem {
    fn new(requests: &[Request], overlaps: &[Overlap]) -> Self {
        let (requests, overlaps) = whole_units(requests, overlaps);
        let neighbors = neighbors(&requests, &overlaps);
        Self { requests, overlaps, neighbors }
    }

    fn live_bytes(&self) -> Vec<usize> {
        live(&self.requests, &self.overlaps)
    }

    fn lower_bound(&self) -> usize {
        self.live_bytes().into_iter().max().unwrap_or(0)
    }
}

impl Neighbor {
    /// The offsets between which this may not start, if the neighbor is at `offset`.
    fn forbidden(&self, offset: usize) -> (isize, usize) {
        (offset as isize - self.below as isize, offset + self.above)
    }
}

/// What shares a step with each request.
fn neighbors(requests: &[Request], overlaps: &[Overlap]) -> Vec<Vec<Neighbor>> {
    let mut near = vec![Vec::new(); requests.len()];
    let order = sorted(requests, |r| r.first);
    for (rank, &i) in order.iter().enumerate() {
        for &j in order[rank + 1..].iter().take_while(|&&j| requests[j].first <= requests[i].last) {
            for (this, index) in [(i, j), (j, i)] {
                near[this].push(Neighbor { index, above: requests[index].bytes, below: requests[this].bytes });
            }
        }
    }
    for &Overlap { below, above, bytes } in overlaps {
        near[above].iter_mut().filter(|n| n.index == below).for_each(|n| n.above -= bytes);
        near[below].iter_mut().filter(|n| n.index == above).for_each(|n| n.below -= bytes);
    }
    near
}

/// Greatest common divisor; `gcd(0, b) = b`.
fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Bytes live at each step from 0 to the last, less what may overlap there, in whole units.
pub(super) fn live_bytes(requests: &[Request], overlaps: &[Overlap]) -> Vec<usize> {
    let (requests, overlaps) = whole_units(requests, overlaps);
    live(&requests, &overlaps)
}

/// The same with sizes, and what may not overlap of each, rounded up to the largest alignment that all requests share.
fn whole_units(requests: &[Request], overlaps: &[Overlap]) -> (Vec<Request>, Vec<Overlap>) {
    let unit = requests.iter().fold(0, |unit, r| gcd(unit, r.align)).max(1);
    let sized = |r: &Request| Request { bytes: r.bytes.next_multiple_of(unit), align: r.align.max(1), ..*r };
    let whole = |overlap: &Overlap| {
        let below = &requests[overlap.below];
        let apart = (below.bytes - overlap.bytes).next_multiple_of(unit);
        Overlap { bytes: sized(below).bytes - apart, ..*overlap }
    };
    (requests.iter().map(sized).collect(), overlaps.iter().map(whole).collect())
}

fn live(requests: &[Request], overlaps: &[Overlap]) -> Vec<usize> {
    let steps = requests.iter().map(|r| r.last + 1).max().unwrap_or(0);
    let (mut live, mut shared) = (vec![0; steps], vec![0; steps]);
    for r in requests {
        live[r.first..=r.last].iter_mut().for_each(|bytes| *bytes += r.bytes);
    }
    for overlap in overlaps {
        let most: &mut usize = &mut shared[overlap.step(requests)];
        *most = (*most).max(overlap.bytes.min(requests[overlap.above].bytes));
    }
    live.iter().zip(shared).map(|(live, shared)| live - shared).collect()
}

/// The best placement so far.
struct Best {
    offsets: Vec<usize>,
    arena: usize,
}

/// Which of the gaps that are wide enough is taken; above everything if no gap fits.
#[derive(Clone, Copy)]
enum Fit {
    /// The lowest.
    First,
    /// The one with the fewest bytes to spare.
    Best,
    /// The lowest and the highest under this ceiling by turns: no hole in a chain of layers taken in order.
    Ends(usize),
}

/// The best of all greedy orders, with the order that gave it.
fn greedy(problem: &Problem, bound: usize) -> (Vec<usize>, Best) {
    let mut found: Option<(Vec<usize>, Best)> = None;
    for order in orders(problem) {
        for fit in [Fit::First, Fit::Best, Fit::Ends(bound)] {
            let candidate = in_order(problem, &order, fit);
            if found.as_ref().is_none_or(|(_, best)| candidate.arena < best.arena) {
                found = Some((order.clone(), candidate));
            }
            if found.as_ref().is_some_and(|(_, best)| best.arena <= bound) {
                break;
            }
        }
    }
    found.unwrap_or((Vec::new(), Best { offsets: Vec::new(), arena: 0 }))
}

/// Orders worth trying: largest, longest, largest area, earliest, latest, and busiest step first.
fn orders(problem: &Problem) -> Vec<Vec<usize>> {
    let (requests, live) = (&problem.requests, problem.live_bytes());
    let life = |r: &Request| r.last - r.first + 1;
    let busiest = |r: &Request| live[r.first..=r.last].iter().copied().max().unwrap_or(0);
    vec![
        sorted(requests, |r| (Reverse(r.bytes), Reverse(life(r)))),
        sorted(requests, |r| (Reverse(life(r)), Reverse(r.bytes))),
        sorted(requests, |r| (Reverse(r.bytes.saturating_mul(life(r))), Reverse(r.bytes))),
        sorted(requests, |r| (r.first, Reverse(r.bytes))),
        sorted(requests, |r| (Reverse(r.last), Reverse(r.bytes))),
        sorted(requests, |r| (Reverse(busiest(r)), Reverse(r.bytes))),
    ]
}

fn sorted<K: Ord>(requests: &[Request], key: impl Fn(&Request) -> K) -> Vec<usize> {
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|&i| key(&requests[i]));
    order
}

/// Places the requests one after the other, each among those already placed.
fn in_order(problem: &Problem, order: &[usize], fit: Fit) -> Best {
    let requests = &problem.requests;
    let mut best = Best { offsets: vec![0; requests.len()], arena: 0 };
    let mut placed = vec![false; requests.len()];
    let mut forbidden: Vec<(isize, usize)> = Vec::new();
    for (rank, &i) in order.iter().enumerate() {
        let near = problem.neighbors[i].iter().filter(|neighbor| placed[neighbor.index]);
        forbidden.clear();
        forbidden.extend(near.map(|neighbor| neighbor.forbidden(best.offsets[neighbor.index])));
        forbidden.sort_unstable();
        let offset = match fit {
            Fit::Ends(ceiling) if rank % 2 == 1 => highest(&requests[i], &forbidden, ceiling),
            _ => lowest(requests[i].align, &forbidden, matches!(fit, Fit::Best)),
        };
        (placed[i], best.offsets[i]) = (true, offset);
        best.arena = best.arena.max(offset + requests[i].bytes);
    }
    best
}

/// The lowest offset that is not between two forbidden ones, which are sorted, or the one in the gap with the fewest bytes to spare.
fn lowest(align: usize, forbidden: &[(isize, usize)], tightest: bool) -> usize {
    let mut floor = 0_usize;
    let mut choice: Option<(usize, usize)> = None;
    for &(start, end) in forbidden {
        let offset = floor.next_multiple_of(align);
        if let Some(spare) = usize::try_from(start).ok().and_then(|start| start.checked_sub(offset)) {
            if !tightest {
                return offset;
            }
            choice = choice.filter(|&(least, _)| least <= spare).or(Some((spare, offset)));
        }
        floor = floor.max(end);
    }
    choice.map_or(floor.next_multiple_of(align), |(_, offset)| offset)
}

/// The highest offset that is not between two forbidden ones, which are sorted, and ends under `ceiling`; the lowest if there is none.
fn highest(request: &Request, forbidden: &[(isize, usize)], ceiling: usize) -> usize {
    let align = request.align;
    let mut offset = ceiling.saturating_sub(request.bytes) / align * align;
    let between = |offset: usize, (start, end): (isize, usize)| start < offset as isize && offset < end;
    for &(start, end) in forbidden.iter().rev() {
        if between(offset, (start, end)) {
            offset = usize::try_from(start).unwrap_or(0) / align * align;
        }
    }
    let free = !forbidden.iter().any(|pair| between(offset, *pair));
    if free { offset } else { lowest(align, forbidden, false) }
}

/// Depth-first search over placements in the order of their offsets.
///
/// Taken from the floor upwards, each request of some optimal placement rests on one below it. At step `t` no completion ends below the
/// highest end there, `skyline[t]`, plus the bytes of the unplaced requests that live at `t`, less what may overlap there.
struct Exact<'a> {
    problem: &'a Problem,
    requests: &'a [Request],
    bound: usize,
    skyline: Vec<usize>,
    /// Bytes of unplaced requests at each step, less what may overlap there: negative where little is left.
    pending: Vec<isize>,
    placed: Vec<bool>,
    offsets: Vec<usize>,
    budget: usize,
}

impl<'a> Exact<'a> {
    /// Improves `best` until the bound is met, the tree is searched, or the budget is spent.
    fn search(problem: &'a Problem, bound: usize, best: &mut Best) {
        let (requests, live) = (&problem.requests[..], problem.live_bytes());
        let pending: Vec<isize> = live.into_iter().map(|bytes| bytes as isize).collect();
        let mut exact = Exact {
            problem,
            requests,
            bound,
            skyline: vec![0; pending.len()],
            pending,
            placed: vec![false; requests.len()],
            offsets: vec![0; requests.len()],
            budget: EXACT_BUDGET / requests.len().max(1),
        };
        exact.descend(0, 0, best);
    }

    fn descend(&mut self, depth: usize, floor: usize, best: &mut Best) {
        if depth == self.requests.len() {
            let arena = self.skyline.iter().copied().max().unwrap_or(0);
            if arena < best.arena {
                *best = Best { offsets: self.offsets.clone(), arena };
            }
            return;
        }
        for (offset, i) in self.candidates(floor) {
            if self.budget == 0 || best.arena <= self.bound {
                return;
            }
            self.budget -= 1;
            let below = self.put(i, offset);
            if self.promise() < best.arena {
                self.descend(depth + 1, offset, best);
            }
            self.take_back(i, &below);
        }
    }

    /// Requests that may come next, lowest first, larger first among equals. Left out, since the optimal placement
    /// with the smallest sum of offsets has no such step: one that rests below the floor, which then belonged
    /// earlier, and one that starts where another could already have ended.
    fn candidates(&self, floor: usize) -> Vec<(usize, usize)> {
        let mut next: Vec<(usize, usize)> = (0..self.requests.len())
            .filter(|&i| !self.placed[i])
            .map(|i| (self.rest(i).next_multiple_of(self.requests[i].align), i))
            .collect();
        let end = |&(offset, i): &(usize, usize)| offset.max(floor) + self.requests[i].bytes;
        let first_end = next.iter().map(end).min().unwrap_or(0);
        next.retain(|&(offset, i)| offset >= floor && (offset < first_end || self.requests[i].bytes == 0));
        next.sort_by_key(|&(offset, i)| (offset, Reverse(self.requests[i].bytes), i));
        let overlaps = |i: usize| self.problem.overlaps.iter().any(|overlap| overlap.below == i || overlap.above == i);
        next.dedup_by(|&mut (_, a), &mut (_, b)| self.requests[a] == self.requests[b] && !overlaps(a) && !overlaps(b));
        next
    }

    /// Where request `i` rests on those placed.
    fn rest(&self, i: usize) -> usize {
        let placed = self.problem.neighbors[i].iter().filter(|neighbor| self.placed[neighbor.index]);
        placed.map(|neighbor| self.offsets[neighbor.index] + neighbor.above).max().unwrap_or(0)
    }

    /// Places request `i` and returns the skyline that it covers.
    fn put(&mut self, i: usize, offset: usize) -> Vec<usize> {
        let Request { bytes, first, last, .. } = self.requests[i];
        let below = self.skyline[first..=last].to_vec();
        self.skyline[first..=last].iter_mut().for_each(|top| *top = (*top).max(offset + bytes));
        self.pending[first..=last].iter_mut().for_each(|p| *p -= bytes as isize);
        self.placed[i] = true;
        self.offsets[i] = offset;
        below
    }

    fn take_back(&mut self, i: usize, below: &[usize]) {
        let Request { bytes, first, last, .. } = self.requests[i];
        self.skyline[first..=last].copy_from_slice(below);
        self.pending[first..=last].iter_mut().for_each(|p| *p += bytes as isize);
        self.placed[i] = false;
    }

    /// No completion of this placement ends below the result.
    fn promise(&self) -> usize {
        self.skyline.iter().zip(&self.pending).map(|(top, more)| top.saturating_add_signed(*more)).max().unwrap_or(0)
    }
}

/// Exchanges two requests in `order`, places by first fit, and keeps what is not worse.
fn local(problem: &Problem, bound: usize, mut order: Vec<usize>, best: &mut Best) {
    let n = problem.requests.len();
    let mut state = 0x9E37_79B9_u32;
    let mut current = in_order(problem, &order, Fit::First).arena;
    for _ in 0..LOCAL_BUDGET / (n * n).max(1) {
        let (i, j) = (draw(&mut state, n), draw(&mut state, n));
        order.swap(i, j);
        let candidate = in_order(problem, &order, Fit::First);
        if candidate.arena > current {
            order.swap(i, j);
            continue;
        }
        current = candidate.arena;
        if candidate.arena < best.arena {
            *best = candidate;
        }
        if best.arena <= bound {
            return;
        }
    }
}

/// A number below `n` from a linear congruential generator.
fn draw(state: &mut u32, n: usize) -> usize {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*state >> 8) as usize % n
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(bytes: usize, first: usize, last: usize) -> Request {
        Request { bytes, first, last, align: 1 }
    }

    fn share_a_step(a: &Request, b: &Request) -> bool {
        a.first <= b.last && b.first <= a.last
    }

    fn check(requests: &[Request], overlaps: &[Overlap], placement: &Placement) {
        assert_eq!(placement.offsets.len(), requests.len());
        assert!(placement.arena_bytes >= placement.lower_bound);
        for (i, a) in requests.iter().enumerate() {
            assert_eq!(placement.offsets[i] % a.align, 0, "request {i} is not aligned");
            assert!(placement.offsets[i] + a.bytes <= placement.arena_bytes);
            for (j, b) in requests.iter().enumerate().skip(i + 1) {
                let (from, to) = (placement.offsets[i], placement.offsets[j]);
                let shared = |below: usize, above: usize| {
                    let both = overlaps.iter().find(|overlap| overlap.below == below && overlap.above == above);
                    both.map_or(0, |overlap| overlap.bytes)
                };
                let apart = from + a.bytes - shared(i, j) <= to || to + b.bytes - shared(j, i) <= from;
                assert!(apart || !share_a_step(a, b), "requests {i} and {j} overlap");
            }
        }
    }

    fn any_request() -> impl Strategy<Value = Request> {
        (0..200usize, 0..40usize, 0..12usize, prop::sample::select(vec![1, 4, 16]))
            .prop_map(|(bytes, first, life, align)| Request { bytes, first, last: first + life, align })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn no_two_live_requests_overlap(requests in prop::collection::vec(any_request(), 0..40)) {
            check(&requests, &[], &place(&requests, &[]));
        }

        #[test]
        fn a_chain_meets_the_bound(sizes in prop::collection::vec(1..500usize, 1..60)) {
            let chain: Vec<_> = sizes.iter().enumerate().map(|(i, &b)| request(b, i, i + 1)).collect();
            let placement = place(&chain, &[]);
            check(&chain, &[], &placement);
            prop_assert_eq!(placement.arena_bytes, placement.lower_bound);
        }
    }

    /// A chain of tensors, each of which may lie in part over the one before it, or under it.
    fn overlapping_chain() -> impl Strategy<Value = (Vec<Request>, Vec<Overlap>)> {
        prop::collection::vec((1..100usize, 0..100usize), 1..30).prop_map(|sizes| {
            let chain: Vec<_> =
                sizes.iter().enumerate().map(|(i, &(b, _))| Request { align: 4, ..request(b, i, i + 1) }).collect();
            let overlap = |below: usize, above: usize| {
                let most = chain[below].bytes.min(chain[above].bytes) - 1;
                Overlap { below, above, bytes: most.min(sizes[below].1) }
            };
            let both = |i: usize| [overlap(i, i - 1), overlap(i - 1, i)];
            (chain.clone(), (1..chain.len()).flat_map(both).collect())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn overlaps_are_used_as_far_as_they_go((chain, overlaps) in overlapping_chain()) {
            let placement = place(&chain, &overlaps);
            check(&chain, &overlaps, &placement);
            prop_assert!(placement.arena_bytes <= place(&chain, &[]).arena_bytes);
        }
    }

    #[test]
    fn an_output_lies_over_its_input() {
        let requests = [request(100, 0, 1), request(80, 1, 2), request(120, 2, 3)];
        let overlaps = [Overlap { below: 1, above: 0, bytes: 70 }, Overlap { below: 2, above: 1, bytes: 60 }];
        let placement = place(&requests, &overlaps);
        check(&requests, &overlaps, &placement);
        // Each must start before the one it lies over: 60 and then 10 bytes.
        assert_eq!((placement.arena_bytes, placement.lower_bound), (170, 140));
        // Each over the one before it by turns from below and from above.
        let chain: Vec<Request> = (0..6).map(|i| request(100, i, i + 1)).collect();
        let pairs = (1..6).flat_map(|i| [(i, i - 1), (i - 1, i)]);
        let overlaps: Vec<Overlap> = pairs.map(|(below, above)| Overlap { below, above, bytes: 90 }).collect();
        let placement = place(&chain, &overlaps);
        check(&chain, &overlaps, &placement);
        assert_eq!((placement.arena_bytes, placement.lower_bound), (110, 110));
    }

    #[test]
    fn nothing_needs_nothing() {
        assert_eq!(place(&[], &[]), Placement::default());
    }

    /// Cuts `steps × bytes` into `pieces` rectangles, so that a placement without a hole exists.
    fn cut(state: &mut u32, steps: (usize, usize), bytes: usize, pieces: usize) -> Vec<Request> {
        let wide = steps.1 - steps.0;
        if pieces == 1 || (wide == 0 && bytes == 1) {
            return vec![request(bytes, steps.0, steps.1)];
        }
        let rest = pieces / 2;
        let (mut left, right) = if wide > 0 && (bytes == 1 || draw(state, 2) == 0) {
            let middle = steps.0 + draw(state, wide);
            let left = cut(state, (steps.0, middle), bytes, pieces - rest);
            (left, cut(state, (middle + 1, steps.1), bytes, rest))
        } else {
            let height = 1 + draw(state, bytes - 1);
            let left = cut(state, steps, height, pieces - rest);
            (left, cut(state, steps, bytes - height, rest))
        };
        left.extend(right);
        left
    }

    #[test]
    fn the_search_closes_holes_that_greedy_orders_leave() {
        let (mut hard, mut closed) = (0, 0);
        for seed in 0..100 {
            let requests = cut(&mut { seed }, (0, 15), 1000, 24);
            let placement = place(&requests, &[]);
            check(&requests, &[], &placement);
            assert_eq!(placement.lower_bound, 1000);
            assert!(placement.arena_bytes <= 1010, "seed {seed}: {}", placement.arena_bytes);
            hard += usize::from(greedy(&Problem::new(&requests, &[]), 1000).1.arena > 1000);
            closed += usize::from(placement.arena_bytes == 1000);
        }
        assert!(hard >= 10 && closed >= 99, "{hard} cuts are hard, {closed} are closed");
    }

    #[test]
    fn a_hundred_random_tensors_are_placed_well_and_the_same_way_twice() {
        let mut state = 12345;
        let requests: Vec<_> = (0..100)
            .map(|_| {
                let first = draw(&mut state, 100);
                let bytes = 16 * (1 + draw(&mut state, 400));
                Request { bytes, first, last: first + draw(&mut state, 8), align: 16 }
            })
            .collect();
        let placement = place(&requests, &[]);
        check(&requests, &[], &placement);
        assert!(placement.arena_bytes * 100 <= placement.lower_bound * 110, "{placement:?}");
        assert_eq!(placement, place(&requests, &[]));
    }
}
