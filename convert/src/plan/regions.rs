//! An arena in several regions of memory: what is read and written most often goes into the fastest.
//!
//! Requests go by their heat, touches for each byte, and each into the fastest region in which it fits with those before it. A plan's offsets count
//! through all regions, so that a device that has them in one piece runs the same file.

use std::cmp::Ordering;

use lacewing::format::{ALIGN, MAX_REGIONS};

use super::{Overlap, Placement, Request, overlaps};
use crate::graph::{Graph, Node, Op};

/// Where requests lie in regions; all is counted from what was taken of the first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Regions {
    /// Offsets, through all regions.
    pub(super) offsets: Vec<usize>,
    /// The end of the last region.
    pub(super) bytes: usize,
    /// Where the second and the third region start.
    pub(super) starts: [usize; MAX_REGIONS - 1],
}

/// Places requests in regions of at most `sizes` bytes, the fastest first, after `taken` bytes of the first. `heat` is that of each request.
///
/// # Errors
/// The region that is too small for what is left, and how many bytes that is.
pub(super) fn place(
    requests: &[Request],
    overlaps: &[Overlap],
    heat: &[f64],
    (sizes, taken): ([usize; MAX_REGIONS], usize),
) -> Result<Regions, (usize, usize)> {
    let last = sizes.iter().rposition(|size| *size > 0).unwrap_or(0);
    let mut left = hottest_first(requests, heat);
    let mut offsets = vec![0; requests.len()];
    let (mut end, mut starts) = (0, [0; MAX_REGIONS - 1]);
    for (region, size) in sizes.iter().enumerate().take(last + 1) {
        let size = size.saturating_sub(if region == 0 { taken } else { 0 });
        let chosen = if region == last { std::mem::take(&mut left) } else { fill(requests, overlaps, &mut left, size) };
        let Placement { offsets: own, arena_bytes, .. } = together(requests, overlaps, &chosen);
        if arena_bytes > size {
            return Err((region, arena_bytes));
        }
        chosen.iter().zip(own).for_each(|(request, offset)| offsets[*request] = end + offset);
        end = (end + arena_bytes).next_multiple_of(ALIGN);
        starts.iter_mut().skip(region).for_each(|start| *start = end);
    }
    Ok(Regions { offsets, bytes: end, starts })
}

/// Takes from `left`, in its order, what fits into a region of `size` bytes.
fn fill(requests: &[Request], overlaps: &[Overlap], left: &mut Vec<usize>, size: usize) -> Vec<usize> {
    let mut chosen = Vec::new();
    left.retain(|request| {
        chosen.push(*request);
        let fits = requests[*request].bytes <= size && together(requests, overlaps, &chosen).arena_bytes <= size;
        if !fits {
            chosen.pop();
        }
        !fits
    });
    chosen
}

/// Some of the requests by themselves.
fn together(requests: &[Request], overlaps: &[Overlap], chosen: &[usize]) -> Placement {
    let own: Vec<Request> = chosen.iter().map(|request| requests[*request]).collect();
    let position = |request: usize| chosen.iter().position(|chosen| *chosen == request);
    let both = |overlap: &Overlap| {
        Some(Overlap { below: position(overlap.below)?, above: position(overlap.above)?, ..*overlap })
    };
    overlaps::place_with(&own, &overlaps.iter().filter_map(both).collect::<Vec<_>>())
}

fn hottest_first(requests: &[Request], heat: &[f64]) -> Vec<usize> {
    let density = |request: &usize| heat[*request] / requests[*request].bytes.max(1) as f64;
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by(|a, b| density(b).partial_cmp(&density(a)).unwrap_or(Ordering::Equal));
    order
}

/// How often a node reads its first input or writes its output, all elements together.
pub(super) fn touches(graph: &Graph, node: &Node) -> f64 {
    let elements = |shape: &[usize]| shape.iter().product::<usize>() as f64;
    let outputs = elements(graph.shape(node.outputs[0]));
    match &node.op {
        Op::Conv { .. } | Op::FullyConnected => {
            let weights = graph.shape(node.inputs[1]);
            outputs * elements(weights) / weights[0].max(1) as f64
        }
        _ => outputs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(bytes: usize, first: usize) -> Request {
        Request { bytes, first, last: first + 1, align: 4 }
    }

    #[test]
    fn what_is_touched_most_is_in_the_fastest_region() {
        let requests = [request(100, 0), request(100, 1), request(100, 2), request(100, 3)];
        let placed = place(&requests, &[], &[1.0, 9.0, 3.0, 2.0], ([120, 250, 0], 16));
        // The hottest is in the first region, and so is the last, which shares no step with it.
        assert_eq!(placed, Ok(Regions { offsets: vec![112, 0, 112, 0], bytes: 224, starts: [112, 224] }));
    }

    #[test]
    fn requests_that_are_apart_in_time_share_a_region() {
        let requests = [request(100, 0), request(100, 2), request(100, 4)];
        let placed = place(&requests, &[], &[1.0, 1.0, 1.0], ([112, 300, 0], 0));
        assert_eq!(placed, Ok(Regions { offsets: vec![0; 3], bytes: 112, starts: [112, 112] }));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let requests = [request(100, 0), request(100, 0), request(100, 0)];
        assert_eq!(place(&requests, &[], &[1.0; 3], ([100, 160, 0], 0)), Err((1, 200)));
    }
}
