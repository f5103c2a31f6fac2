import GuestMemory
import Testing

@testable import LinuxBoot

extension GuestMemory {
    func value<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type = Value.self, _ base: UInt64, _ offset: UInt64 = 0
    ) throws -> Value {
        try load(type, at: GuestAddress(base + offset))
    }

    /// The bytes up to a NUL.
    func string(at address: UInt64) throws -> String {
        var bytes: [UInt8] = []
        while case let byte = try value(UInt8.self, address + UInt64(bytes.count)), byte != 0 { bytes.append(byte) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The problem that a loader throws.
func problem(_ loader: BootLoader, memory size: UInt64 = 16 << 20) throws -> BootError.Problem? {
    let memory = try GuestMemory(size: size)
    do {
        _ = try loader.load(into: memory)
        return nil
    } catch {
        return error.problem
    }
}

func problem(_ image: any BootImage, memory size: UInt64 = 16 << 20) throws -> BootError.Problem? {
    try problem(BootLoader(kernel: image), memory: size)
}
