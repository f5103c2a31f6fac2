/// Up to 8 model-specific registers whose accesses by a guest may become exits, `msrRead` and `msrWrite`.
package struct MSRFilter: Equatable, Sendable {
    /// The first of `count` registers.
    package let base: UInt32
    package let count: UInt32
    /// One bit a register, set where KVM answers by itself.
    package let allowedReads: UInt8
    package let allowedWrites: UInt8

    package init(base: UInt32, count: UInt32, allowedReads: UInt8, allowedWrites: UInt8) {
        precondition(count <= 8)
        self.base = base
        self.count = count
        self.allowedReads = allowedReads
        self.allowedWrites = allowedWrites
    }
}
