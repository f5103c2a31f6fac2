import TestSupport
import Testing

@testable import SoftwareKVM

@Suite struct InstructionDecoderTests {
    private typealias Failure = InstructionDecoder.Failure

    private func bytes(_ code: String) -> [UInt8] { code.split(separator: " ").compactMap { UInt8($0, radix: 16) } }

    private func decode(_ code: String, _ mode: InstructionDecoder.Mode = .bits64) throws -> Instruction {
        try InstructionDecoder.decode(InstructionBytes(bytes(code)), mode)
    }

    @Test(arguments: Encodings.bits64) func lengthIn64BitMode(code: String, text: String) throws {
        try checkLength(bytes(code), .bits64, text)
    }

    @Test(arguments: Encodings.bits32) func lengthIn32BitMode(code: String, text: String) throws {
        try checkLength(bytes(code), .bits32, text)
    }

    /// Whatever follows does not matter, and nothing less is enough.
    private func checkLength(_ code: [UInt8], _ mode: InstructionDecoder.Mode, _ text: String) throws {
        for filler in [0x00, 0x66, 0xff] as [UInt8] {
            let padded = InstructionBytes(code + [UInt8](repeating: filler, count: 15))
            #expect(try Int(InstructionDecoder.decode(padded, mode).length) == code.count, "\(text)")
        }
        for count in 0..<code.count {
            #expect(throws: Failure.truncated, "\(count) bytes of \(text)") {
                try InstructionDecoder.decode(InstructionBytes(code.prefix(count)), mode)
            }
        }
    }

    @Test(arguments: [
        "06", "27", "60", "62 31 00", "82 c0 10", "9a 00 00", "c4 e0 00 00", "c4 e4 78 10 c0", "66 c5 f9 ef c0",
        "48 c5 f9 ef c0", "f0 c5 f9 ef c0", "c5 f8 a2", "62 f1 6c 08 77", "62 f4 7c 08 01 c0", "8f e8 78 c2 ec 0e",
        "d5 00", "ea 00", "0f 04", "0f 24 c0", "0f 3b", "66 66 66 66 66 66 66 66 66 66 66 66 66 66 90",
    ]) func invalid(code: String) {
        let padded = InstructionBytes(bytes(code) + [0, 0, 0])
        // The last of them is 15 bytes long, and valid.
        guard code.utf8.count < 44 else {
            #expect((try? InstructionDecoder.decode(padded, .bits64))?.length == 15)
            return
        }
        #expect(throws: Failure.invalid) { try InstructionDecoder.decode(padded, .bits64) }
    }

    @Test func sixteenBytesAreTooMany() {
        let prefixes = [UInt8](repeating: 0x66, count: 15)
        #expect(throws: Failure.invalid) { try InstructionDecoder.decode(InstructionBytes(prefixes), .bits64) }
    }

    @Test func opcodesAndTheirMaps() throws {
        let popcnt = try decode("f3 48 0f b8 c7")
        #expect(popcnt.map == .twoByte)
        #expect(popcnt.opcode == 0xb8)
        #expect(popcnt.prefix == .repeatEqual)
        #expect(popcnt.isWide)
        #expect(popcnt.register == 0)
        #expect(popcnt.registerOrMemory == 7)
        #expect(popcnt.memory == nil)
        let pxor = try decode("66 45 0f ef c8")
        #expect(pxor.prefix == .operandSize)
        #expect((pxor.register, pxor.registerOrMemory) == (9, 8))
        // A repeat prefix is the one that selects the instruction, wherever the operand-size prefix is.
        #expect(try decode("66 f2 0f 38 f1 c3").prefix == .repeatNotEqual)
        #expect(try decode("f2 66 0f 38 f1 c3").prefix == .repeatNotEqual)
        let andn = try decode("c4 e2 60 f2 c8")
        #expect(andn.encoding == .vex)
        #expect(andn.map == .threeByte38)
        #expect((andn.register, andn.third, andn.registerOrMemory) == (1, 3, 0))
        let ternary = try decode("62 f3 ed 48 25 d9 96")
        #expect(ternary.encoding == .evex)
        #expect(ternary.map == .threeByte3A)
        #expect((ternary.vectorLength, ternary.third, ternary.immediate) == (2, 2, 0x96))
        let masked = try decode("62 f1 6d d9 fe 18")
        #expect(masked.hasBroadcast)
        #expect(masked.mask == 1)
        #expect(try decode("62 f5 74 08 58 d9").map == .evex5)
    }

    @Test(arguments: [
        ("8b 03", "[3]"), ("8b 44 24 08", "ss:[4]+8"), ("8b 45 f8", "ss:[5]-8"), ("41 8b 04 24", "[12]"),
        ("41 8b 45 00", "[13]"), ("4a 8b 44 a3 10", "[3]+[12]*4+16"), ("8b 04 25 00 10 00 00", "+4096"),
        ("8b 05 78 56 34 12", "rip+305419896"), ("42 8b 04 65 ff ff ff ff", "[12]*2-1"), ("65 8b 00", "gs:[0]"),
        ("8b 04 23", "[3]"), ("67 8b 00", "32:[0]"), ("36 8b 00", "[0]"), ("64 8b 04 25 28 00 00 00", "fs:+40"),
        ("62 f1 6d 48 fe 58 01", "[0]+1scaled"), ("62 61 6d 48 fe b8 41 00 00 00", "[0]+65"),
    ]) func memoryOperands(code: String, operand: String) throws {
        let instruction = try decode(code)
        let memory = try #require(instruction.memory)
        var text = instruction.addressSize == 64 ? "" : "\(instruction.addressSize):"
        if memory.segment != .ds { text += "\(memory.segment):" }
        if memory.isRelative { text += "rip" }
        if let base = memory.base { text += "[\(base)]" }
        if let index = memory.index {
            text += (memory.base == nil ? "" : "+") + "[\(index)]" + (memory.scale > 1 ? "*\(memory.scale)" : "")
        }
        if memory.displacement != 0 { text += (memory.displacement > 0 ? "+" : "") + "\(memory.displacement)" }
        if memory.hasScaledDisplacement { text += "scaled" }
        #expect(text == operand)
    }

    @Test func legacyAddressing() throws {
        let pair = try #require(try decode("67 8b 40 10", .bits32).memory)
        #expect((pair.base, pair.index, pair.displacement) == (3, 6, 16))
        #expect(try decode("67 8b 40 10", .bits32).addressSize == 16)
        let direct = try #require(try decode("8b 0e 34 12", .bits16).memory)
        #expect((direct.base, direct.index, direct.displacement) == (nil, nil, 0x1234))
        let frame = try #require(try decode("8b 46 fe", .bits16).memory)
        #expect((frame.base, frame.displacement, frame.segment) == (5, -2, .ss))
        #expect(try #require(try decode("2e 8b 03", .bits32).memory).segment == .cs)
        #expect(try #require(try decode("8b 05 00 10 00 00", .bits32).memory).isRelative == false)
    }

    @Test func controlRegistersAreNoMemory() throws {
        let move = try decode("0f 20 18")
        #expect(move.length == 3)
        #expect(move.memory == nil)
    }

    @Test func randomBytesNeverTrap() {
        var random = SeededGenerator(seed: 38)
        var valid = 0
        for _ in 0..<200_000 {
            let code = InstructionBytes((0..<15).map { _ in UInt8.random(in: 0...255, using: &random) })
            for mode in [.bits16, .bits32, .bits64] as [InstructionDecoder.Mode] {
                guard let instruction = try? InstructionDecoder.decode(code, mode) else { continue }
                valid += 1
                #expect(instruction.length >= 1 && instruction.length <= 15)
            }
        }
        #expect(valid > 300_000)
    }
}
