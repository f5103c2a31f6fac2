@testable import LinuxBoot

/// Writes small bzImages around a payload.
struct BzImageBuilder {
    var payload: [UInt8]
    var version: UInt16 = 0x020f
    var setupSectors: UInt8 = 3
    /// The setup header ends at 0x202 and this.
    var jumpLength: UInt8 = 0x6a
    var commandLineSize: UInt32 = 2047
    var ramdiskMaximum: UInt32 = 0x7fff_ffff
    var payloadOffset: UInt32 = 0x80
    /// nil is the payload's own.
    var payloadSize: UInt32?
    var initialSize: UInt32 = 0x20_0000
    var kernelVersion = "6.1.0-test (someone@somewhere) #1"

    init(_ kernel: [UInt8], by compression: Compression) { payload = pack(kernel, by: compression) }

    var bytes: [UInt8] {
        let realModeSize = (Int(setupSectors) + 1) * 512
        var file = [UInt8](repeating: 0x90, count: realModeSize + Int(payloadOffset))
        file.set(setupSectors, at: 0x1f1)
        file.set(UInt16(0xaa55), at: 0x1fe)
        file.set(jumpLength, at: 0x201)
        file.replaceSubrange(0x202..<0x206, with: Array("HdrS".utf8))
        file.set(version, at: 0x206)
        file.set(UInt16(0x300), at: 0x20e)
        file.set(UInt8(0), at: 0x211)
        file.set(ramdiskMaximum, at: 0x22c)
        file.set(commandLineSize, at: 0x238)
        file.set(payloadOffset, at: 0x248)
        file.set(payloadSize ?? UInt32(payload.count), at: 0x24c)
        file.set(UInt64(0x10_0000), at: 0x258)
        file.set(initialSize, at: 0x260)
        let text = Array(kernelVersion.utf8) + [0]
        file.replaceSubrange(0x500..<0x500 + text.count, with: text)
        return file + payload + [0xee, 0xee]
    }

    func image(_ name: String = "bzImage") -> ByteArrayBootImage { ByteArrayBootImage(bytes, name: name) }
}
