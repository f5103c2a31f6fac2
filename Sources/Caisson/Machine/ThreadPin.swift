import CLinux
import SystemPackage

/// Keeps the thread that made it on one of the host's processors, until the same thread releases it: Dispatch gives its
/// threads other work afterwards.
struct ThreadPin {
    private var previous = cpu_set_t()

    /// - Throws: `hostFailure`.
    init(to processor: Int) throws(VirtualMachineError) {
        // SAFETY: the set is written during the call.
        let result = unsafe caisson_pin_thread(Int32(clamping: processor), &previous)
        guard result == 0 else {
            let reason =
                result == -EINVAL
                ? "the host has none of that number, or this process may not use it"
                : "\(Errno(rawValue: -result))"
            throw VirtualMachineError(
                .hostFailure, "a virtual processor cannot be kept on the host's processor \(processor): \(reason)")
        }
    }

    func release() {
        // SAFETY: the set is read during the call. What was allowed before is allowed again, or else the thread stays.
        _ = unsafe withUnsafePointer(to: previous) { unsafe caisson_unpin_thread($0) }
    }
}
