import CLinux

/// Tells a guest that computes from one that is stopped at the same instruction, in the same state, for ever.
///
/// A loop around a completed instruction changes registers as it goes; one that waits for memory to change does not,
/// so the limit is far above what such a wait takes.
struct ProgressWatch: Sendable {
    /// At about 10 µs each, ten seconds.
    static let limit = 1_000_000

    private var last = kvm_regs()
    private var repetitions = 0

    /// Notes a repair; the number of repetitions once there are too many.
    mutating func stalled(at registers: kvm_regs) -> Int? {
        guard registers.rip == last.rip, isSame(registers) else {
            last = registers
            repetitions = 0
            return nil
        }
        repetitions += 1
        return repetitions >= Self.limit ? repetitions : nil
    }

    private func isSame(_ registers: kvm_regs) -> Bool {
        // SAFETY: both are plain data of one type; the closures only compare their bytes.
        unsafe withUnsafeBytes(of: registers) { left in
            unsafe withUnsafeBytes(of: last) { right in
                guard let left = left.baseAddress, let right = right.baseAddress else { return true }
                return unsafe memcmp(left, right, MemoryLayout<kvm_regs>.size) == 0
            }
        }
    }
}
