package import CLinux

/// A request as it lies in the guest's memory, with the room for its answer. The guest may change both at any time.
package protocol FuseMessage: ~Copyable {
    /// Bytes of the request.
    var requestSize: UInt64 { get }
    /// Bytes of room for the answer.
    var answerRoom: UInt64 { get }
    /// The first `count` bytes of the request, as far as there are so many: a copy.
    func copyRequest(atMost count: Int) -> [UInt8]
    /// Stores bytes of the answer from `offset` on, as far as there is room.
    func store(_ bytes: Span<UInt8>, at offset: UInt64)
    /// Calls `body` with the request's bytes from `offset` on, at most `count`.
    @unsafe func withRequest(
        from offset: UInt64, atMost count: UInt64, _ body: (UnsafeBufferPointer<iovec>) -> Int64
    ) -> Int64
    /// Calls `body` with the answer's room from `offset` on, at most `count` bytes.
    @unsafe func withAnswer(
        from offset: UInt64, atMost count: UInt64, _ body: (UnsafeBufferPointer<iovec>) -> Int64
    ) -> Int64
}
