/// Where random bytes come from.
package protocol EntropySource: AnyObject, Sendable {
    /// Fills `bytes` with bytes fit for cryptographic keys, at once.
    func fill(_ bytes: inout MutableSpan<UInt8>)
}
