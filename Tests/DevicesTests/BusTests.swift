import Devices
import Synchronization
import TestSupport
import Testing

/// Answers with the offset and remembers writes.
private final class Echo: PortDevice, MMIODevice {
    struct Write: Equatable {
        let offset: UInt64
        let width: Int
        let value: UInt64
    }

    private let log = Mutex<[Write]>([])
    let mark: UInt64

    init(mark: UInt64 = 0) { self.mark = mark }

    var writes: [Write] { log.withLock { $0 } }

    func read(offset: UInt16, width: Int) -> UInt32 { UInt32(mark) + UInt32(offset) }
    func read(offset: UInt64, width: Int) -> UInt64 { mark + offset }
    func write(offset: UInt16, width: Int, value: UInt32) {
        log.withLock { $0.append(Write(offset: UInt64(offset), width: width, value: UInt64(value))) }
    }
    func write(offset: UInt64, width: Int, value: UInt64) {
        log.withLock { $0.append(Write(offset: offset, width: width, value: value)) }
    }
}

/// Four byte-wide registers.
private final class Bytes: BytePortDevice {
    private let values = Mutex<[UInt8]>([0x11, 0x22, 0x33, 0x44])

    func read(offset: UInt16) -> UInt8 { values.withLock { $0[Int(offset)] } }
    func write(offset: UInt16, value: UInt8) { values.withLock { $0[Int(offset)] = value } }
}

@Suite struct PortBusTests {
    @Test func `an access reaches the device that has all its bytes`() throws {
        let low = Echo(mark: 0x100)
        let high = Echo(mark: 0x200)
        let bus = try PortBus([.init(high, at: 0x3f8...0x3ff), .init(low, at: 0x60...0x64)])
        #expect(bus.read(port: 0x60, width: 1) == 0x100)
        #expect(bus.read(port: 0x64, width: 1) == 0x104)
        #expect(bus.read(port: 0x3fe, width: 2) == 0x206)
        bus.write(port: 0x3ff, width: 1, value: 7)
        #expect(high.writes == [.init(offset: 7, width: 1, value: 7)])
        #expect(bus.unknownReads == 0 && bus.unknownWrites == 0)
    }

    @Test(
        arguments: [
            (0x5f, 1, 0xff), (0x65, 1, 0xff), (0x5f, 2, 0xffff), (0x64, 2, 0xffff), (0x62, 4, 0xffff_ffff),
            (0, 4, 0xffff_ffff), (0xffff, 1, 0xff), (0xffff, 2, 0xffff), (0xffff, 4, 0xffff_ffff),
        ] as [(UInt16, Int, UInt32)])
    func `what no device has whole reads all ones and is counted`(port: UInt16, width: Int, ones: UInt32) throws {
        let device = Echo()
        let bus = try PortBus([.init(device, at: 0x60...0x64)])
        #expect(bus.read(port: port, width: width) == ones)
        bus.write(port: port, width: width, value: 0)
        #expect(device.writes.isEmpty)
        #expect(bus.unknownReads == 1 && bus.unknownWrites == 1)
    }

    @Test func `an empty bus and the ends of the range`() throws {
        #expect(try PortBus([]).read(port: 0, width: 1) == 0xff)
        let all = try PortBus([.init(Echo(), at: 0...0xffff)])
        #expect(all.read(port: 0xffff, width: 1) == 0xffff)
        #expect(all.read(port: 0xfffe, width: 2) == 0xfffe)
        #expect(all.read(port: 0xfffe, width: 4) == 0xffff_ffff)
        #expect(all.unknownReads == 1)
    }

    @Test func `one device at two places counts from its base`() throws {
        let device = Echo()
        let bus = try PortBus([.init(device, at: 0x60...0x60), .init(device, at: 0x64...0x64, base: 0x60)])
        #expect(bus.read(port: 0x64, width: 1) == 4)
        #expect(bus.read(port: 0x61, width: 1) == 0xff)
    }

    @Test func `overlaps are refused`() {
        let device = Echo()
        for second in [0x3ff...0x400, 0x3f0...0x3f8, 0x3f9...0x3fa, 0x3f8...0x3ff, 0...0xffff] as [ClosedRange<UInt16>]
        {
            #expect(throws: BusError.self) {
                try PortBus([.init(device, at: 0x3f8...0x3ff), .init(device, at: second)])
            }
        }
        #expect(throws: BusError.baseAboveRange(base: 0x70, range: 0x60...0x64)) {
            try PortBus([.init(device, at: 0x60...0x64, base: 0x70)])
        }
        #expect(
            "\(BusError.overlap(first: 0x3f8...0x3ff, second: 0x3ff...0x400))"
                == "two devices claim the same addresses: 0x3f8 to 0x3ff and 0x3ff to 0x400")
    }

    @Test func `byte-wide registers split wider accesses, lowest first`() throws {
        let bus = try PortBus([.init(Bytes(), at: 0x10...0x13)])
        #expect(bus.read(port: 0x10, width: 4) == 0x4433_2211)
        #expect(bus.read(port: 0x12, width: 2) == 0x4433)
        bus.write(port: 0x11, width: 2, value: 0xbbaa)
        #expect(bus.read(port: 0x10, width: 4) == 0x44bb_aa11)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `any set of ranges answers as a table does`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var owner = [Int?](repeating: nil, count: 0x10000)
        var registrations: [PortBus.Registration] = []
        for index in 0..<Int.random(in: 0...40, using: &generator) {
            let first = Int.random(in: 0...0xffff, using: &generator)
            let last = min(0xffff, first + Int.random(in: 0...300, using: &generator))
            guard owner[first...last].allSatisfy({ $0 == nil }) else { continue }
            for port in first...last { owner[port] = index }
            registrations.append(.init(Echo(mark: UInt64(index) << 16), at: UInt16(first)...UInt16(last), base: 0))
        }
        let bus = try PortBus(registrations.shuffled(using: &generator))
        for _ in 0..<5000 {
            let port = Int.random(in: 0...0xffff, using: &generator)
            let width = [1, 2, 4].randomElement(using: &generator) ?? 1
            let owners = Set((port..<port + width).map { $0 < 0x10000 ? owner[$0] : nil })
            let ones = UInt32.max >> (32 - 8 * UInt32(width))
            let expected = owners.count == 1 ? owners.first?.map { UInt32($0) << 16 + UInt32(port) } ?? ones : ones
            #expect(bus.read(port: UInt16(port), width: width) == expected)
        }
    }
}

@Suite struct MMIOBusTests {
    @Test func `accesses of 1 to 8 bytes reach the device that has them whole`() throws {
        let device = Echo()
        let bus = try MMIOBus([.init(device, at: 0xd000_0000...0xd000_0fff)])
        for width in 1...8 {
            #expect(bus.read(address: 0xd000_1000 - UInt64(width), width: width) == 0x1000 - UInt64(width))
            let ones = UInt64.max >> (64 - 8 * UInt64(width))
            #expect(bus.read(address: 0xd000_1001 - UInt64(width), width: width) == ones)
            #expect(bus.read(address: 0xcfff_ffff, width: width) == ones)
            #expect(bus.read(address: .max, width: width) == ones)
        }
        #expect(bus.unknownReads == 24)
        bus.write(address: 0xd000_0010, width: 8, value: .max)
        bus.write(address: 0xd000_0ffc, width: 8, value: 1)
        #expect(device.writes == [.init(offset: 0x10, width: 8, value: .max)])
        #expect(bus.unknownWrites == 1)
    }

    @Test func `a device may end at the top of the address space`() throws {
        let bus = try MMIOBus([.init(Echo(), at: .max - 7 ... .max)])
        #expect(bus.read(address: .max - 7, width: 8) == 0)
        #expect(bus.read(address: .max, width: 1) == 7)
        #expect(bus.read(address: .max, width: 2) == 0xffff)
    }

    @Test func `overlaps are refused`() {
        #expect(throws: BusError.overlap(first: 0x1000...0x1fff, second: 0x1fff...0x2fff)) {
            try MMIOBus([.init(Echo(), at: 0x1fff...0x2fff), .init(Echo(), at: 0x1000...0x1fff)])
        }
    }
}
