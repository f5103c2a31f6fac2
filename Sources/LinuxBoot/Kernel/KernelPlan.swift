import GuestMemory

/// A kernel that was understood: what goes where, and how it starts. Nothing is in guest memory yet.
struct KernelPlan {
    /// A run of the file and the memory it fills; the rest of the memory is zero.
    struct Segment: Equatable {
        let fileOffset: UInt64
        /// At most `memory.count`.
        let fileSize: UInt64
        let memory: MemoryRange
    }

    let format: KernelFormat
    let bootProtocol: BootProtocol
    /// Where the segments are: the kernel's file, or the ELF file that was packed in it.
    let source: any BootImage
    /// In order of address.
    let segments: [Segment]
    let entry: UInt64
    /// It is known to be Linux, by its notes or its format.
    var isLinux = false
    /// A bzImage's own header, which the zero page repeats.
    var setupHeader: SetupHeader?
    /// What a bzImage says of itself.
    var kernelVersion: String?

    /// The number of bytes that are copied.
    var fileBytes: UInt64 { segments.reduce(0) { $0 &+ $1.fileSize } }

    /// Checks that the segments lie in free RAM, apart from each other, and that the entry is in one of them.
    func check(against memory: GuestMemory) throws(BootError) {
        var previous: MemoryRange?
        for segment in segments {
            let range = segment.memory
            for reserved in [BootLayout.structures, BootLayout.legacyHole] where range.overlaps(reserved) {
                throw source.error(.overlapsReserved(range, reserved: reserved))
            }
            guard range.end <= GuestMemory.holeStart.rawValue else { throw source.error(.aboveLowMemory(range)) }
            guard range.end <= memory.lowEnd else {
                throw source.error(.kernelTooLarge(end: segments.map(\.memory.end).max() ?? 0, memory: memory.size))
            }
            if let previous, previous.overlaps(range) { throw source.error(.segmentsOverlap(previous, range)) }
            previous = range
        }
        guard segments.contains(where: { $0.memory.contains(entry) }) else {
            throw source.error(.entryOutsideKernel(entry))
        }
    }

    /// Copies the segments and clears what the file does not fill, unless the memory is known to be zero.
    func copy(to memory: GuestMemory, isZeroed: Bool) throws(BootError) {
        for segment in segments {
            try source.copy(
                from: segment.fileOffset, count: segment.fileSize, to: GuestAddress(segment.memory.start),
                in: memory, part: "the kernel")
            if !isZeroed {
                memory.clear(MemoryRange(segment.memory.start + segment.fileSize, upTo: segment.memory.end))
            }
        }
    }
}
