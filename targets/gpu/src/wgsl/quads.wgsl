// Four elements that follow each other in memory, by `results_from`: together where they are four channels of one pixel (`QUAD`), else each
// by itself, in the first lane of the same function.

override QUAD: bool;

fn input_word(at: u32) -> u32 {
    if QUAD {
        return arena[at >> 2u];
    }
    return bytes_from(at);
}

@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = number(id);
    if index >= p.count {
        return;
    }
    let base = id.z * p.stride;
    var results = results_from(base, 4u * index);
    if !QUAD {
        for (var i = 1u; i < 4u; i++) {
            results[i] = results_from(base, 4u * index + i).x;
        }
    }
    arena[base + p.output / 4u + index] = pack4xI8(results);
}

