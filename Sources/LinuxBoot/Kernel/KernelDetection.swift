import GuestMemory

extension KernelPlan {
    /// Understands a kernel by its content.
    ///
    /// - Parameter wanted: the protocol that the caller insists on.
    /// - Throws: `BootError` of any kind about the kernel's file.
    init(of image: any BootImage, wanted: BootProtocol?, memory: GuestMemory) throws(BootError) {
        guard image.size > 0 else { throw image.error(.empty) }
        let head = try image.bytes(
            at: 0, count: Int(min(image.size, UInt64(MultibootHeader.searchSize))), part: "the header")
        if head.has(ELFHeader.magic) {
            self = try .elf(image, wanted: wanted, multiboot: MultibootHeader(in: head))
        } else if SetupHeader.isIn(head) {
            self = try .bzImage(image, head: head, wanted: wanted, memory: memory)
        } else if let multiboot = MultibootHeader(in: head) {
            self = try .multibootImage(image, multiboot)
            try insist(on: wanted)
        } else {
            throw image.error(.notAKernel(guess: FileGuess.of(head)))
        }
    }

    /// - Throws: `cannotBootBy` where the caller wants another protocol than the only one the kernel has.
    private func insist(on wanted: BootProtocol?) throws(BootError) {
        guard let wanted, wanted != bootProtocol else { return }
        throw source.error(.cannotBootBy(wanted, reason: "a \(format) is started by \(bootProtocol)"))
    }
}
