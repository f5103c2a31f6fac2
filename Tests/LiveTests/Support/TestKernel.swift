import Foundation

/// Kernels of a few bytes, as files.
enum TestKernel {
    private static let base: UInt32 = 0x10_0000

    /// 32-bit code, started by the multiboot protocol.
    static func multiboot(_ code: [UInt8]) -> [UInt8] {
        let magic: UInt32 = 0x1bad_b002
        let flags: UInt32 = 1 << 16
        let headerSize: UInt32 = 32
        // header address, load address, end of what is loaded (all), end of zeroed data, entry
        let fields = [magic, flags, 0 &- magic &- flags, base, base, 0, base + 0x2000, base + headerSize]
        return bytes(of: fields) + code
    }

    /// 64-bit code, started in long mode.
    static func long(_ code: [UInt8]) -> [UInt8] {
        let offset: UInt64 = 64 + 56
        let entry = UInt64(base)
        var image: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0] + [UInt8](repeating: 0, count: 8)
        // An executable for x86-64, version 1.
        image += bytes(of: [UInt16(2), 62]) + bytes(of: [UInt32(1)])
        image += bytes(of: [entry, 64, 0]) + bytes(of: [UInt32(0)])
        // Sizes of the headers: one program header, no section headers.
        image += bytes(of: [UInt16(64), 56, 1, 64, 0, 0])
        // PT_LOAD, read, write and execute.
        image += bytes(of: [UInt32(1), 7])
        let size = UInt64(code.count)
        image += bytes(of: [offset, entry, entry, size, size + 0x1000, 0x1000])
        return image + code
    }

    private static func bytes<Integer: FixedWidthInteger>(of fields: [Integer]) -> [UInt8] {
        fields.flatMap { field in withUnsafeBytes(of: field.littleEndian) { Array($0) } }
    }
}

/// A folder that goes with the value.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("caisson-live-\(UUID())")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ bytes: [UInt8], to name: String) throws -> String {
        let file = "\(path)/\(name)"
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }
}
