import TestSupport
import Testing

@testable import HostIO

@Suite struct WrittenMapTests {
    @Test(arguments: 0..<20 as Range<UInt64>)
    func itIsASetOfSectors(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let count = UInt64.random(in: 1...100_000, using: &random)
        var map = WrittenMap(sectorCount: count)
        var model = [Bool](repeating: false, count: Int(count))
        for _ in 0..<100 {
            let first = UInt64.random(in: 0..<count, using: &random)
            let end = min(count, first + UInt64.random(in: 1...3000, using: &random))
            if Bool.random(using: &random) {
                map.insert(first..<end)
                for sector in first..<end { model[Int(sector)] = true }
            }
            let (isWritten, length) = map.run(first..<end)
            let slice = model[Int(first)..<Int(end)]
            #expect(isWritten == slice.first)
            #expect(Int(length) == slice.prefix { $0 == slice.first }.count)
        }
    }
}
