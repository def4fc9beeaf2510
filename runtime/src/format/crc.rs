//! CRC-32 (ISO-HDLC, the polynomial of zlib and Ethernet), a nibble at a time: 64 bytes of table.

const TABLE: [u32; 16] = table();

#[allow(clippy::indexing_slicing, reason = "runs at compile time alone")]
const fn table() -> [u32; 16] {
    let mut table = [0; 16];
    let mut i = 0;
    while i < 16 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 4 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

/// A running CRC-32.
#[derive(Clone, Copy)]
pub(crate) struct Crc(u32);

impl Crc {
    pub(crate) const fn new() -> Self {
        Self(!0)
    }

    pub(crate) fn update(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |crc, byte| nibble(nibble(crc ^ u32::from(*byte)))))
    }

    pub(crate) const fn finish(self) -> u32 {
        !self.0
    }
}

#[allow(clippy::indexing_slicing, reason = "the index is masked to the table's length")]
fn nibble(crc: u32) -> u32 {
    (crc >> 4) ^ TABLE[(crc & 15) as usize]
}

#[cfg(test)]
mod tests {
    use super::Crc;

    #[test]
    fn gives_the_catalogue_check_value() {
        assert_eq!(Crc::new().update(b"1234").update(b"56789").finish(), 0xCBF4_3926);
    }
}
