import CLinux
import GuestMemory

@testable import SoftwareKVM

/// A 64-bit guest in a few pages: user pages at 4 MiB, kernel pages from 0xffff_8000_0000_0000.
struct Guest {
    static let kernel: UInt64 = 0xffff_8000_0000_0000
    static let user: UInt64 = 0x40_0000
    static let stack = kernel + 0x8_0000
    static let interruptTable = kernel + 0x7000
    static let star: UInt64 = 0x0023_0010_0000_0000
    static let sfmask: UInt64 = 0x25_7fd5

    let memory: GuestMemory
    let cpu = FakeCPU()

    /// The kernel sees the first 2 MiB in pages of 4 KiB, user mode the second 2 MiB.
    init() throws {
        memory = try GuestMemory(size: 8 << 20)
        try memory.store(UInt64(0x2007), at: 0x1000)
        try memory.store(UInt64(0x3003), at: 0x1800)
        try memory.store(UInt64(0x4007), at: 0x2000)
        try memory.store(UInt64(0x20_0087), at: 0x4010)
        try memory.store(UInt64(0x5003), at: 0x3000)
        try memory.store(UInt64(0x6003), at: 0x5000)
        for page in 0..<512 as Range<UInt64> {
            try memory.store(page << 12 | 3, at: GuestAddress(0x6000 + page * 8))
        }
        cpu.special.cr0 = 0x8005_0033
        cpu.special.cr3 = 0x1000
        cpu.special.cr4 = 0x620
        cpu.special.efer = 0xd01
        cpu.special.cs = .flat(0x10, isCode: true)
        cpu.special.ss = .flat(0, isCode: false)
        cpu.special.idt.base = Self.interruptTable
        cpu.special.idt.limit = 0xfff
        cpu.general.rflags = 2
        cpu.general.rsp = Self.stack
    }

    /// Puts a gate into the interrupt table, to a handler of its own.
    func setGate(_ vector: UInt8, level: UInt64 = 0, type: UInt64 = 0xe, stack: UInt64 = 0) throws {
        let offset = Self.handler(vector)
        let low =
            offset & 0xffff | 0x10 << 16 | stack << 32 | (0x80 | level << 5 | type) << 40 | (offset >> 16 & 0xffff)
            << 48
        let place = 0x7000 + UInt64(vector) * 16
        try memory.store(low, at: GuestAddress(place))
        try memory.store(offset >> 32, at: GuestAddress(place + 8))
    }

    /// Sets the page table's entry of one of the kernel's pages.
    func setEntry(_ entry: UInt64, page: UInt64) throws {
        try memory.store(entry, at: GuestAddress(0x6000 + page * 8))
    }

    static func handler(_ vector: UInt8) -> UInt64 { kernel + 0x1_0000 + UInt64(vector) * 64 }

    func write(_ code: [UInt8], atKernel linear: UInt64) throws {
        try memory.write(code, at: GuestAddress(linear - Self.kernel))
    }

    func write(_ code: [UInt8], atUser linear: UInt64) throws {
        try memory.write(code, at: GuestAddress(linear - Self.user + 0x20_0000))
    }

    /// Puts the vCPU on the first instruction of a handler, with the frame of an exception on its stack.
    func raise(_ vector: UInt8, errorCode: UInt64? = nil, _ frame: ExceptionFrame) throws {
        var words = [frame.rip, frame.cs, frame.rflags, frame.rsp, frame.ss]
        if let errorCode { words.insert(errorCode, at: 0) }
        cpu.general.rip = Self.handler(vector)
        cpu.general.rsp = Self.stack - UInt64(words.count) * 8
        for (index, word) in words.enumerated() {
            try memory.store(word, at: GuestAddress(cpu.general.rsp - Self.kernel + UInt64(index) * 8))
        }
    }

    func word(atKernel linear: UInt64) throws -> UInt64 { try memory.load(at: GuestAddress(linear - Self.kernel)) }
}

extension ExceptionFrame {
    static func user(rip: UInt64, rflags: UInt64 = 0x10202) -> ExceptionFrame {
        var frame = ExceptionFrame()
        (frame.rip, frame.cs, frame.rflags, frame.rsp, frame.ss) = (rip, 0x33, rflags, 0x7fff_0000, 0x2b)
        return frame
    }

    static func kernel(rip: UInt64) -> ExceptionFrame {
        var frame = ExceptionFrame()
        (frame.rip, frame.cs, frame.rflags, frame.rsp, frame.ss) = (rip, 0x10, 0x10002, Guest.stack, 0x18)
        return frame
    }
}
