/// The setup header of a bzImage (Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header").
struct SetupHeader: Equatable {
    private enum Offset {
        static let start = 0x1f1
        static let setupSectors = 0x1f1
        static let bootFlag = 0x1fe
        static let jumpLength = 0x201
        static let magic = 0x202
        static let version = 0x206
        static let kernelVersion = 0x20e
        static let ramdiskMaximum = 0x22c
        static let commandLineSize = 0x238
        static let payload = 0x248
        static let payloadSize = 0x24c
        static let preferredAddress = 0x258
        static let initialSize = 0x260
        /// Where the zero page goes on with other things.
        static let roomEnd = 0x290
    }

    /// 2.08 was the first to say where the payload is.
    private static let oldestVersion: UInt16 = 0x0208
    /// The first with pref_address and init_size.
    private static let sizedVersion: UInt16 = 0x020a
    private static let magic = Array("HdrS".utf8)

    /// From 0x1f1 up to the header's end, as the zero page repeats them.
    let bytes: [UInt8]
    /// `cmdline_size`: the longest command line, without its NUL.
    let commandLineLimit: Int
    /// One more than `initrd_addr_max`.
    let ramdiskLimit: UInt64
    /// Where the packed kernel is in the file.
    let payloadOffset: UInt64
    let payloadSize: UInt64
    /// Where the running kernel ends, by its own word.
    let kernelEnd: UInt64?
    /// Where the version's text is in the file.
    let versionOffset: Int?

    /// Whether the file is a bzImage, of whatever version.
    static func isIn(_ head: [UInt8]) -> Bool {
        head.has(magic, at: Offset.magic) && head.has([0x55, 0xaa], at: Offset.bootFlag)
    }

    /// - Parameter head: the first 8 KiB of a file for which `isIn` holds.
    /// - Throws: `truncated`, `invalidField`, `bootProtocolTooOld`.
    init(of image: any BootImage, head: [UInt8]) throws(BootError) {
        func field<Value: FixedWidthInteger & UnsignedInteger>(_ offset: Int) throws(BootError) -> Value {
            guard let value = head.field(Value.self, at: offset) else {
                let missing = offset + MemoryLayout<Value>.size - head.count
                throw image.error(.truncated(part: "the setup header", missing: UInt64(missing)))
            }
            return value
        }
        let version: UInt16 = try field(Offset.version)
        guard version >= Self.oldestVersion else { throw image.error(.bootProtocolTooOld(version)) }
        let end = Offset.magic + Int(try field(Offset.jumpLength) as UInt8)
        guard end >= Offset.payloadSize + 4, end <= Offset.roomEnd else {
            throw image.error(
                .invalidField(name: "the setup header's end", value: UInt64(end), expected: "592 to 656"))
        }
        guard end <= head.count else {
            throw image.error(.truncated(part: "the setup header", missing: UInt64(end - head.count)))
        }
        bytes = Array(head[Offset.start..<end])
        commandLineLimit = Int(try field(Offset.commandLineSize) as UInt32)
        ramdiskLimit = UInt64(try field(Offset.ramdiskMaximum) as UInt32) + 1

        // "For backwards compatibility, if the setup_sects field contains 0, the real value is 4."
        let sectors: UInt8 = try field(Offset.setupSectors)
        let realModeSize = (UInt64(sectors == 0 ? 4 : sectors) + 1) * 512
        payloadOffset = realModeSize + UInt64(try field(Offset.payload) as UInt32)
        payloadSize = UInt64(try field(Offset.payloadSize) as UInt32)

        if version >= Self.sizedVersion {
            let address: UInt64 = try field(Offset.preferredAddress)
            let size: UInt32 = try field(Offset.initialSize)
            kernelEnd = MemoryRange(at: address, count: UInt64(size))?.end
        } else {
            kernelEnd = nil
        }
        let text: UInt16 = try field(Offset.kernelVersion)
        versionOffset = text == 0 ? nil : Int(text) + 0x200
    }
}
