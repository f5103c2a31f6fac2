import Glibc
import GuestMemory
import TestSupport
import Testing

@Suite struct AccessTests {
    @Test func freshMemoryIsZero() throws {
        let memory = try GuestMemory(size: fourGibibytes)
        for address in [0, 3 * gibibyte - 4096, 4 * gibibyte, 5 * gibibyte - 4096] {
            #expect(try memory.read(4096, at: GuestAddress(address)) == [UInt8](repeating: 0, count: 4096))
        }
    }

    @Test func valuesAreLittleEndianAndNeedNoAlignment() throws {
        let memory = try GuestMemory(size: mebibyte)
        for address in (0..<9 as Range<UInt64>).map({ GuestAddress($0 + 4090) }) {
            try memory.store(0x8877_6655_4433_2211 as UInt64, at: address)
            #expect(try memory.read(8, at: address) == [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88])
            #expect(try memory.load(UInt8.self, at: address) == 0x11)
            #expect(try memory.load(UInt16.self, at: address) == 0x2211)
            #expect(try memory.load(UInt32.self, at: address) == 0x4433_2211)
            #expect(try memory.load(UInt64.self, at: address) == 0x8877_6655_4433_2211)
            try memory.store(0xaaaa as UInt16, at: address)
            try memory.store(0xbb as UInt8, at: address)
            #expect(try memory.load(UInt32.self, at: address) == 0x4433_aabb)
            try memory.store(0xdddd_dddd as UInt32, at: address)
            #expect(try memory.load(UInt64.self, at: address) == 0x8877_6655_dddd_dddd)
        }
    }

    @Test func arraysOfNothingAreNoAccess() throws {
        let memory = try GuestMemory(size: 4096)
        try memory.write([], at: 4096)
        #expect(try memory.read(0, at: 4096) == [])
        try memory.fill(4096, count: 0, with: 1)
        #expect(throws: GuestMemoryError.notInRAM(address: 4097, count: 0)) { try memory.write([], at: 4097) }
    }

    @Test func aWriteThatDoesNotFitWritesNothing() throws {
        let memory = try GuestMemory(size: 8192)
        let full = [UInt8](repeating: 7, count: 8192)
        #expect(throws: GuestMemoryError.notInRAM(address: 1, count: 8192)) { try memory.write(full, at: 1) }
        #expect(throws: GuestMemoryError.notInRAM(address: 8000, count: 193)) {
            try memory.fill(8000, count: 193, with: 1)
        }
        #expect(throws: GuestMemoryError.notInRAM(address: 8185, count: 8)) {
            try memory.store(UInt64.max, at: 8185)
        }
        #expect(try memory.read(8192, at: 0) == [UInt8](repeating: 0, count: 8192))
    }

    /// Every kind of access at and around all borders, against a model: bytes by their address.
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func randomAccessesAgreeWithAModel(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let memory = try GuestMemory(size: fourGibibytes)
        var model: [UInt64: UInt8] = [:]
        let borders = [0, 4096, 3 * gibibyte, 4 * gibibyte, 5 * gibibyte, .max]

        func isRAM(_ start: UInt64, _ count: UInt64) -> Bool {
            let (end, wraps) = start.addingReportingOverflow(count)
            return !wraps && (end <= 3 * gibibyte || start >= 4 * gibibyte && end <= 5 * gibibyte)
        }
        func bytes(_ start: UInt64, _ count: UInt64) -> [UInt8] { (0..<count).map { model[start + $0] ?? 0 } }
        // Runs an access and compares: with what the model has, or with the refusal it has to be.
        func check<Result: Equatable>(
            _ start: UInt64, _ count: UInt64, _ expected: @autoclosure () -> Result,
            _ access: (GuestAddress) throws -> Result
        ) throws {
            let address = GuestAddress(start)
            if isRAM(start, count) {
                #expect(try access(address) == expected())
            } else {
                #expect(throws: GuestMemoryError.notInRAM(address: address, count: count)) { try access(address) }
            }
        }
        func record(_ start: UInt64, _ new: [UInt8]) {
            guard isRAM(start, UInt64(new.count)) else { return }
            for (index, byte) in new.enumerated() { model[start + UInt64(index)] = byte }
        }
        func value<Value: FixedWidthInteger & UnsignedInteger>(
            _ type: Value.Type, _ start: UInt64, _ new: Value, storing: Bool
        ) throws {
            let size = UInt64(MemoryLayout<Value>.size)
            if storing {
                try check(start, size, true) {
                    try memory.store(new, at: $0)
                    return true
                }
                record(start, withUnsafeBytes(of: new.littleEndian) { Array($0) })
            } else {
                let expected: () -> Value = {
                    bytes(start, size).reversed().reduce(0) { $0 << (size == 1 ? 0 : 8) | Value($1) }
                }
                try check(start, size, expected()) { try memory.load(Value.self, at: $0) }
            }
        }

        for _ in 0..<4000 {
            let border = borders.randomElement(using: &random) ?? 0
            let start = border &+ UInt64.random(in: 0...64, using: &random) &- 32
            let storing = Bool.random(using: &random)
            let word = random.next()
            switch Int.random(in: 0..<7, using: &random) {
            case 0: try value(UInt8.self, start, UInt8(truncatingIfNeeded: word), storing: storing)
            case 1: try value(UInt16.self, start, UInt16(truncatingIfNeeded: word), storing: storing)
            case 2: try value(UInt32.self, start, UInt32(truncatingIfNeeded: word), storing: storing)
            case 3: try value(UInt64.self, start, word, storing: storing)
            case 4:
                let new = (0..<Int.random(in: 1...48, using: &random)).map {
                    UInt8(truncatingIfNeeded: $0 &* Int(word >> 56))
                }
                try check(start, UInt64(new.count), true) {
                    try memory.write(new, at: $0)
                    return true
                }
                record(start, new)
            case 5:
                let count = UInt64.random(in: 1...48, using: &random)
                try check(start, count, bytes(start, count)) { try memory.read(Int(count), at: $0) }
            default:
                let count = UInt64.random(in: 1...48, using: &random)
                try check(start, count, true) {
                    try memory.fill($0, count: count, with: UInt8(truncatingIfNeeded: word))
                    return true
                }
                record(start, [UInt8](repeating: UInt8(truncatingIfNeeded: word), count: Int(count)))
            }
        }
        for (address, byte) in model { #expect(try memory.load(UInt8.self, at: GuestAddress(address)) == byte) }
        #expect(model.count > 300)
    }
}
