//! One packet in DPDK's memory.
//!
//! ```text
//!   buf_addr                data_off                                    buf_len
//!   │<───── head room ─────>│<──────── data_len ────────>│<─ tail room ─>│
//! ```
//!
//! Growing and cutting is arithmetic on `data_off`, `data_len` and `pkt_len`, done here in Rust;
//! no call leaves this file until the packet is freed.

use std::ptr::{self, NonNull};

use dpdk_sys as sys;
use packet::{Buf, NoRoom};

/// Octets in front of a packet that was just received or allocated.
pub const HEADROOM: usize = sys::RTE_PKTMBUF_HEADROOM as usize;

/// Octets of a cache line.
const LINE: usize = 64;

/// One packet, owned. Dropping it gives its buffer back to the pool it came from.
///
/// The same bits as DPDK's `struct rte_mbuf *`, so a burst of them is what DPDK takes and fills.
#[repr(transparent)]
pub struct Mbuf(NonNull<sys::rte_mbuf>);

// SAFETY: an Mbuf is the only owner of its buffer, and pools take buffers back from any thread. The
// memory stays mapped while any buffer is out: a pool that still misses some is never freed.
unsafe impl Send for Mbuf {}

impl Mbuf {
    /// Takes ownership of a packet.
    ///
    /// # Safety
    /// `mbuf` is the first segment of a valid packet that nobody else owns.
    pub(crate) unsafe fn from_raw(mbuf: NonNull<sys::rte_mbuf>) -> Mbuf {
        Mbuf(mbuf)
    }

    /// The packet as DPDK has it, still owned by this.
    pub(crate) fn as_ptr(&self) -> *mut sys::rte_mbuf {
        self.0.as_ptr()
    }

    /// Gives up ownership of the packet.
    pub(crate) fn into_raw(self) -> *mut sys::rte_mbuf {
        let raw = self.0.as_ptr();
        std::mem::forget(self);
        raw
    }

    /// Where the field at `offset` lies, one of the `SHIM_MBUF_*` offsets with its field's type.
    #[inline]
    fn field<T>(&self, offset: u32) -> *mut T {
        // SAFETY: the offset was taken from the structure itself, so it stays inside.
        unsafe { self.0.as_ptr().cast::<u8>().add(offset as usize).cast() }
    }

    #[inline]
    fn data_off(&self) -> u16 {
        // SAFETY: data_off is a u16 of a valid mbuf.
        unsafe { *self.field::<u16>(sys::SHIM_MBUF_DATA_OFF) }
    }

    #[inline]
    fn data_len(&self) -> u16 {
        // SAFETY: data_len is a u16 of a valid mbuf.
        unsafe { *self.field::<u16>(sys::SHIM_MBUF_DATA_LEN) }
    }

    #[inline]
    fn buf_len(&self) -> u16 {
        // SAFETY: buf_len is a u16 of a valid mbuf.
        unsafe { *self.field::<u16>(sys::SHIM_MBUF_BUF_LEN) }
    }

    /// Length of the whole packet over all its segments, in octets.
    #[inline]
    pub fn packet_len(&self) -> u32 {
        // SAFETY: pkt_len is a u32 of a valid mbuf.
        unsafe { *self.field::<u32>(sys::SHIM_MBUF_PKT_LEN) }
    }

    /// Octets that [`Buf::prepend`] can still take.
    #[inline]
    pub fn headroom(&self) -> usize {
        usize::from(self.data_off())
    }

    #[inline]
    fn data_ptr(&self) -> *mut u8 {
        // SAFETY: buf_addr is a pointer of a valid mbuf, and data_off is at most buf_len.
        unsafe {
            let buffer = *self.field::<*mut u8>(sys::SHIM_MBUF_BUF_ADDR);
            buffer.add(usize::from(self.data_off()))
        }
    }

    /// The first octets of a segment, and the segment that follows it.
    ///
    /// # Safety
    /// `segment` is a segment of a packet that outlives the slice and is not written meanwhile.
    unsafe fn segment<'a>(
        segment: NonNull<sys::rte_mbuf>,
    ) -> (&'a [u8], Option<NonNull<sys::rte_mbuf>>) {
        // Only borrowed: it is not for this to free.
        let segment = std::mem::ManuallyDrop::new(Mbuf(segment));
        // SAFETY: the data of a segment lies in its buffer (see `data`), and its `next` is a pointer
        // to a segment of the same packet or null.
        unsafe {
            let data = std::slice::from_raw_parts(segment.data_ptr(), segment.data_len().into());
            let next = *segment.field::<*mut sys::rte_mbuf>(sys::SHIM_MBUF_NEXT);
            (data, NonNull::new(next))
        }
    }

    /// Stores where the data starts and ends. The caller has checked that it fits the buffer.
    #[inline]
    fn set_extent(&mut self, data_off: u16, data_len: u16) {
        let packet_len = self.packet_len() - u32::from(self.data_len()) + u32::from(data_len);
        // SAFETY: the three fields of a valid mbuf, which this owns.
        unsafe {
            *self.field::<u16>(sys::SHIM_MBUF_DATA_OFF) = data_off;
            *self.field::<u16>(sys::SHIM_MBUF_DATA_LEN) = data_len;
            *self.field::<u32>(sys::SHIM_MBUF_PKT_LEN) = packet_len;
        }
    }

    /// Moves where the data starts on by so many octets, or back, and leaves its end. The caller has
    /// checked that it stays in the buffer.
    #[inline]
    fn move_start(&mut self, by: i32) {
        // SAFETY: the three fields of a valid mbuf, which this owns.
        unsafe {
            let data_off = self.field::<u16>(sys::SHIM_MBUF_DATA_OFF);
            *data_off = (*data_off).wrapping_add(by as u16);
            let data_len = self.field::<u16>(sys::SHIM_MBUF_DATA_LEN);
            *data_len = (*data_len).wrapping_sub(by as u16);
            let packet_len = self.field::<u32>(sys::SHIM_MBUF_PKT_LEN);
            *packet_len = (*packet_len).wrapping_add_signed(-by);
        }
    }

    /// Forgets what the receiving port said of the packet. Some ports (rings, memory interfaces)
    /// hand flags through to the receiver, where they would describe a packet that has changed.
    #[inline]
    pub(crate) fn clear_flags(&mut self) {
        // SAFETY: ol_flags is a u64 of a valid mbuf, which this owns.
        unsafe { *self.field::<u64>(sys::SHIM_MBUF_OL_FLAGS) &= sys::SHIM_MBUF_STORAGE };
    }
}

impl Buf for Mbuf {
    #[inline]
    fn data(&self) -> &[u8] {
        // SAFETY: data_off + data_len is at most buf_len, and all octets of a pool's memory were
        // zeroed when it was mapped, so every octet has a value.
        unsafe { std::slice::from_raw_parts(self.data_ptr(), usize::from(self.data_len())) }
    }

    #[inline]
    fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `data`, and the packet has no other owner.
        unsafe { std::slice::from_raw_parts_mut(self.data_ptr(), usize::from(self.data_len())) }
    }

    #[inline]
    fn is_contiguous(&self) -> bool {
        // SAFETY: nb_segs is a u16 of a valid mbuf.
        unsafe { *self.field::<u16>(sys::SHIM_MBUF_NB_SEGS) == 1 }
    }

    #[inline]
    fn octets(&self) -> usize {
        self.packet_len() as usize
    }

    fn gather(&self, whole: &mut Self) {
        let room = usize::from(whole.buf_len()).saturating_sub(whole.headroom());
        // It has this room, for it is in one segment.
        let _ = whole.set_len(self.octets().min(room));
        let mut place = whole.data_mut();
        let mut next = Some(self.0);
        while let Some(segment) = next {
            // SAFETY: a segment of this packet, which is borrowed meanwhile.
            let (data, after) = unsafe { Mbuf::segment(segment) };
            let count = data.len().min(place.len());
            let (here, left) = place.split_at_mut(count);
            here.copy_from_slice(&data[..count]);
            (place, next) = (left, after);
        }
        if let Some(tag) = self.stripped_vlan() {
            // SAFETY: ol_flags is a u64 and vlan_tci a u16 of a valid mbuf, which `whole` owns.
            unsafe {
                *whole.field::<u64>(sys::SHIM_MBUF_OL_FLAGS) |= sys::SHIM_RX_VLAN_STRIPPED;
                *whole.field::<u16>(sys::SHIM_MBUF_VLAN_TCI) = tag;
            }
        }
    }

    #[inline]
    fn prepend(&mut self, octets: usize) -> Result<(), NoRoom> {
        if octets > usize::from(self.data_off()) {
            return Err(NoRoom);
        }
        self.move_start(-(octets as i32));
        Ok(())
    }

    #[inline]
    fn trim_front(&mut self, octets: usize) -> Result<(), NoRoom> {
        if octets > usize::from(self.data_len()) {
            return Err(NoRoom);
        }
        self.move_start(octets as i32);
        Ok(())
    }

    /// As the trait says, with one look at each field. Always inlined, for it stands in loops that have no
    /// register to spare for a call.
    #[inline(always)]
    fn move_front(&mut self, from: u16, to: u16) -> Result<&mut [u8], NoRoom> {
        let by = i32::from(to) - i32::from(from);
        let start = i32::from(self.data_off()) - by;
        let length = i32::from(self.data_len()) + by;
        if start < 0 || length < 0 {
            return Err(NoRoom);
        }
        // SAFETY: fields of a valid mbuf, which this owns. The data still ends where it did, and what
        // starts in the buffer and ends there lies in it; as in `data`, every octet has a value.
        unsafe {
            *self.field::<u16>(sys::SHIM_MBUF_DATA_OFF) = start as u16;
            *self.field::<u16>(sys::SHIM_MBUF_DATA_LEN) = length as u16;
            let packet_len = self.field::<u32>(sys::SHIM_MBUF_PKT_LEN);
            *packet_len = (*packet_len).wrapping_add_signed(by);
            // Told that it lies somewhere, for otherwise it would be asked whether it does.
            let buffer = *self.field::<NonNull<u8>>(sys::SHIM_MBUF_BUF_ADDR);
            let data = buffer.as_ptr().add(start as usize);
            Ok(std::slice::from_raw_parts_mut(data, length as usize))
        }
    }

    /// As the trait says; a packet in several segments is refused, for its end is not in the first.
    #[inline]
    fn set_len(&mut self, length: usize) -> Result<(), NoRoom> {
        let room = usize::from(self.buf_len()).saturating_sub(usize::from(self.data_off()));
        if length > room || !self.is_contiguous() {
            return Err(NoRoom);
        }
        self.set_extent(self.data_off(), length as u16);
        Ok(())
    }

    #[inline]
    fn stripped_vlan(&self) -> Option<u16> {
        // SAFETY: ol_flags is a u64 and vlan_tci a u16 of a valid mbuf.
        unsafe {
            let flags = *self.field::<u64>(sys::SHIM_MBUF_OL_FLAGS);
            (flags & sys::SHIM_RX_VLAN_STRIPPED != 0)
                .then(|| *self.field::<u16>(sys::SHIM_MBUF_VLAN_TCI))
        }
    }

    #[inline]
    fn prefetch(&self) {
        let line = self.data_ptr().cast_const();
        prefetch(line);
        if usize::from(self.data_len()) > LINE {
            prefetch(line.wrapping_add(LINE));
        }
    }

    #[inline]
    fn prefetch_front(&self) {
        prefetch(self.data_ptr().cast_const().wrapping_sub(LINE));
    }
}

/// Hints that what lies there will be read soon.
#[inline(always)]
fn prefetch(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, wherever it points, and the instruction is part of every
    // x86-64.
    unsafe {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this owns the packet, and its pool is still there (see Send).
        unsafe { sys::shim_free(self.0.as_ptr()) };
    }
}

/// Gives back `count` packets from `first` on, in one call.
///
/// # Safety
/// `first` points to that many owned packets, which the caller forgets.
pub(crate) unsafe fn free_bulk(first: *mut Mbuf, count: usize) {
    // SAFETY: an Mbuf is a `struct rte_mbuf *`; a burst is far shorter than u32::MAX.
    unsafe { sys::rte_pktmbuf_free_bulk(first.cast(), count as u32) };
}

/// Takes the first `count` packets out of a burst of `length` at `first` by moving the others to
/// the front.
///
/// # Safety
/// `first` points to `length` packets, `count <= length`, and the first `count` are no longer owned.
pub(crate) unsafe fn close_gap(first: *mut Mbuf, length: usize, count: usize) {
    // SAFETY: both ranges lie in the burst; copy allows them to overlap.
    unsafe { ptr::copy(first.add(count), first, length - count) };
}
