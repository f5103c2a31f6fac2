import CLinux
import Glibc
import Testing

/// Where threads run on the host.
@Suite struct ProcessorTests {
    private static let most = 1024

    /// The processors that the calling thread may be on.
    private func allowed() -> [Int32] {
        var processors = [Int32](repeating: -1, count: Self.most)
        let count = caisson_get_processors(&processors, Int32(Self.most))
        return Array(processors.prefix(Int(count)))
    }

    @Test func aThreadLeavesItsProcessorAndMayComeBack() {
        let before = allowed()
        #expect(before.contains(caisson_current_processor()))
        // The kernel may bring it back at once, but not always.
        let left = (0..<100).contains { _ in
            let processor = caisson_current_processor()
            caisson_leave_processor(processor)
            return caisson_current_processor() != processor
        }
        #expect(left == (before.count > 1))
        #expect(allowed() == before)
    }

    @Test func aThreadOnAnotherProcessorStays() {
        let before = allowed()
        for processor: Int32 in [-1, .min, .max, 1 << 20] { caisson_leave_processor(processor) }
        #expect(allowed() == before)
    }
}
