package import GuestMemory

/// A kernel or an initial ramdisk: bytes that can be read in any order.
///
/// Nothing in it is trusted. Ranges come from the image's own headers, so an implementation checks each against `size`.
package protocol BootImage: Sendable {
    /// What messages call the image: the path as the user gave it.
    var name: String { get }
    /// Bytes.
    var size: UInt64 { get }

    /// A copy of `count` bytes from `offset`; `part` names them in an error.
    /// - Throws: `truncated`, `cannotRead`.
    func bytes(at offset: UInt64, count: Int, part: String) throws(BootError) -> [UInt8]

    /// Copies `count` bytes from `offset` straight into guest memory, which the caller has checked to be RAM.
    /// - Throws: `truncated`, `cannotRead`.
    func copy(
        from offset: UInt64, count: UInt64, to address: GuestAddress, in memory: GuestMemory, part: String
    ) throws(BootError)
}

extension BootImage {
    /// - Throws: `truncated` unless the image has `count` bytes at `offset`.
    package func check(_ offset: UInt64, count: UInt64, part: String) throws(BootError) {
        let available = offset < size ? size - offset : 0
        guard count <= available else {
            throw BootError(name, .truncated(part: part, missing: count - available))
        }
    }

    func error(_ problem: BootError.Problem) -> BootError { BootError(name, problem) }
}
