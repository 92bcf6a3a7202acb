//! The rings that vectors are summed in: integers modulo 2³² and 2⁶⁴.

mod sealed {
    pub trait Sealed {}
}

/// An integer modulo a power of two: `u32` or `u64`. On messages and in key streams it is little-endian bytes.
pub trait Ring:
    sealed::Sealed + Copy + Default + PartialEq + Eq + std::fmt::Debug + zeroize::Zeroize + Send + Sync + 'static
{
    /// Its size in bytes.
    const BYTES: usize;
    /// The sum, wrapped.
    fn plus(self, other: Self) -> Self;
    /// The difference, wrapped.
    fn minus(self, other: Self) -> Self;
    /// Adds the elements behind `bytes`; what is longer than the other is not read.
    fn add_bytes(into: &mut [Self], bytes: &[u8]);
    /// Subtracts the elements behind `bytes`; what is longer than the other is not read.
    fn subtract_bytes(into: &mut [Self], bytes: &[u8]);
    /// Appends the bytes of `values`.
    fn write(values: &[Self], out: &mut Vec<u8>);
}

macro_rules! ring {
    ($($number:ty),*) => { $(
        impl sealed::Sealed for $number {}
        impl Ring for $number {
            const BYTES: usize = size_of::<$number>();
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            fn add_bytes(into: &mut [Self], bytes: &[u8]) {
                for (sum, bytes) in into.iter_mut().zip(bytes.as_chunks().0) {
                    *sum = sum.wrapping_add(<$number>::from_le_bytes(*bytes));
                }
            }
            fn subtract_bytes(into: &mut [Self], bytes: &[u8]) {
                for (sum, bytes) in into.iter_mut().zip(bytes.as_chunks().0) {
                    *sum = sum.wrapping_sub(<$number>::from_le_bytes(*bytes));
                }
            }
            fn write(values: &[Self], out: &mut Vec<u8>) {
                for value in values {
                    out.extend_from_slice(&value.to_le_bytes());
                }
            }
        }
    )* };
}

ring!(u32, u64);

#[cfg(test)]
mod tests {
    use super::*;

    fn wraps<R: Ring>(one: R, largest: R) {
        assert_eq!(largest.plus(one), R::default());
        assert_eq!(R::default().minus(one), largest);
        let mut bytes = Vec::new();
        R::write(&[one, largest], &mut bytes);
        assert_eq!(bytes.len(), 2 * R::BYTES);
        assert_eq!(bytes[0], 1);
        let mut sums = [largest, largest];
        R::add_bytes(&mut sums, &bytes);
        assert_eq!(sums, [R::default(), largest.minus(one)]);
        R::subtract_bytes(&mut sums, &bytes);
        assert_eq!(sums, [largest, largest]);
    }

    #[test]
    fn sums_wrap_and_bytes_are_little_endian() {
        wraps(1u32, u32::MAX);
        wraps(1u64, u64::MAX);
    }
}
