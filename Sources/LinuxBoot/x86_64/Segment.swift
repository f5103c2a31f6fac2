/// A segment register's visible and hidden parts, and the descriptor that they come from (Intel SDM 3, 3.4.5).
package struct Segment: Equatable, Sendable {
    package let selector: UInt16
    package let base: UInt64
    /// The last valid offset, in bytes.
    package let limit: UInt32
    /// The descriptor's 4-bit type.
    package let type: UInt8
    /// S: code or data, not a system segment.
    package let isCodeOrData: Bool
    package var isPresent = true
    /// L: 64-bit code.
    package var isLong = false
    /// D/B: 32-bit default operand size.
    package var isBig = false
    /// G: the descriptor counts its limit in 4 KiB pages.
    package var isPageGranular = false
    /// No segment is loaded: what KVM calls unusable.
    package var isUnusable = false

    /// The 8-byte descriptor in a GDT.
    package var descriptor: UInt64 {
        let units = UInt64(isPageGranular ? limit >> 12 : limit)
        var value = units & 0xffff | (units >> 16 & 0xf) << 48
        value |= (base & 0xff_ffff) << 16 | (base >> 24 & 0xff) << 56
        value |= UInt64(type) << 40
        value |= (isCodeOrData ? 1 << 44 : 0) | (isPresent ? 1 << 47 : 0)
        value |= (isLong ? 1 << 53 : 0) | (isBig ? 1 << 54 : 0) | (isPageGranular ? 1 << 55 : 0)
        return value
    }
}

extension Segment {
    // Types: accessed, so that loading them never writes to the table.
    private static let executeRead: UInt8 = 0b1011
    private static let readWrite: UInt8 = 0b0011
    private static let busyTaskState: UInt8 = 0b1011

    /// Linux's selectors, __BOOT_CS and __BOOT_DS; good for the others as well.
    package static let code64 = Segment(
        selector: 0x10, base: 0, limit: .max, type: executeRead, isCodeOrData: true, isLong: true, isPageGranular: true)
    package static let code32 = Segment(
        selector: 0x10, base: 0, limit: .max, type: executeRead, isCodeOrData: true, isBig: true, isPageGranular: true)
    package static let flatData = Segment(
        selector: 0x18, base: 0, limit: .max, type: readWrite, isCodeOrData: true, isBig: true, isPageGranular: true)
    /// The task register: the smallest TSS, at address 0, as PVH asks for.
    package static let task = Segment(
        selector: 0x20, base: 0, limit: 0x67, type: busyTaskState, isCodeOrData: false)
    package static let none = Segment(
        selector: 0, base: 0, limit: 0, type: 0b0010, isCodeOrData: false, isPresent: false, isUnusable: true)

    /// A real-mode segment: its base is 16 times its number.
    package static func real(_ number: UInt16, isCode: Bool) -> Segment {
        Segment(
            selector: number, base: UInt64(number) << 4, limit: 0xffff, type: isCode ? executeRead : readWrite,
            isCodeOrData: true)
    }
}
