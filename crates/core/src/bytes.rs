//! Numbers as little-endian bytes, without a copy where the machine stores them that way.

/// Gives `f` the little-endian bytes of `values`.
pub fn with_le_bytes(values: &[f32], f: impl FnOnce(&[u8])) {
    if cfg!(target_endian = "little") {
        // SAFETY: any initialised f32 is four initialised bytes, u8 has no alignment, and the length in bytes
        // of an existing slice cannot overflow.
        let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) };
        f(bytes);
    } else {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        f(&bytes);
    }
}

/// The values behind little-endian bytes; a rest of fewer than four bytes is not read.
#[inline(always)]
pub fn f32s(bytes: &[u8]) -> impl ExactSizeIterator<Item = f32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c))
}

/// The numbers behind little-endian bytes; a rest of fewer than four bytes is not read.
#[inline(always)]
pub fn u32s(bytes: &[u8]) -> impl ExactSizeIterator<Item = u32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|c| u32::from_le_bytes(*c))
}
