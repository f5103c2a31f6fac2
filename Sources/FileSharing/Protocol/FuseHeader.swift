/// What every request begins with: `struct fuse_in_header`.
package struct FuseHeader: Equatable, Sendable {
    package static let size = 40
    /// Bytes of `struct fuse_out_header`, which every answer begins with.
    package static let replySize = 16

    /// Bytes of the request, this included, as the guest says.
    package var length: UInt32
    /// A `FuseOperation`, or something else.
    package var operation: UInt32
    /// What the answer is recognized by.
    package var unique: UInt64
    package var node: UInt64
    package var user: UInt32
    package var group: UInt32

    package init(length: UInt32, operation: UInt32, unique: UInt64, node: UInt64, user: UInt32, group: UInt32) {
        self.length = length
        self.operation = operation
        self.unique = unique
        self.node = node
        self.user = user
        self.group = group
    }

    init(_ reader: inout MessageReader) throws(FileError) {
        length = try reader.number()
        operation = try reader.number()
        unique = try reader.number()
        node = try reader.number()
        user = try reader.number()
        group = try reader.number()
        // The process, which nobody asks for, and sizes of what was not negotiated.
        _ = try reader.number(UInt64.self)
    }
}
