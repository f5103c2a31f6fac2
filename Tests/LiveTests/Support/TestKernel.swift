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

/// Code for `TestKernel.multiboot`.
enum GuestCode {
    static let spin: [UInt8] = [0xeb, 0xfe]

    /// Halts with interrupts off.
    static let halt: [UInt8] = [0xfa, 0xf4]

    /// An instruction that nobody handles, without an interrupt table.
    static let tripleFault: [UInt8] = [0x0f, 0x0b]

    /// Switches off by the sleep control register.
    static let powerOff = write(0x34, to: 0x600) + spin

    /// Writes a byte to COM1.
    static func print(_ character: Character) -> [UInt8] { write(character.asciiValue ?? 0, to: 0x3f8) }

    static func write(_ value: UInt8, to port: UInt16) -> [UInt8] {
        // mov dx, port; mov al, value; out dx, al
        [0x66, 0xba, UInt8(port & 0xff), UInt8(port >> 8), 0xb0, value, 0xee]
    }

    /// Writes a byte to COM1 `count` times.
    static func print(_ character: Character, count: UInt16) -> [UInt8] {
        // mov ecx, count; print; loop
        [0xb9, UInt8(count & 0xff), UInt8(count >> 8), 0, 0] + print(character) + [0xe2, 0xf7]
    }

    /// Sends each byte of COM1 back, one higher, for ever.
    static let echo: [UInt8] = [
        // mov dx, 0x3fd; in al, dx; test al, 1; jz .-5; mov dl, 0xf8; in al, dx; inc al; out dx, al; jmp
        0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0xb2, 0xf8, 0xec, 0xfe, 0xc0, 0xee, 0xeb, 0xef,
    ]
}
