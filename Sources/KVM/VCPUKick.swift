import CLinux
import Synchronization

/// Takes a vCPU out of its guest from any other thread.
package final class VCPUKick: Sendable {
    /// A thread that runs its vCPU, and the vCPU's `immediate_exit`.
    @safe private struct Target: @unchecked Sendable {
        let thread: pthread_t
        let immediateExit: UnsafeMutablePointer<UInt8>
        /// What the thread had used before.
        let earlierCPUTime: Int64
    }

    private let target: Mutex<Target?>

    /// - Parameter immediateExit: valid until `invalidate`.
    init(thread: pthread_t, immediateExit: UnsafeMutablePointer<UInt8>) {
        unsafe target = Mutex(
            Target(
                thread: thread, immediateExit: immediateExit,
                earlierCPUTime: max(0, caisson_thread_cpu_time(thread))))
    }

    /// Makes the vCPU's run, or its next one, end with `interrupted`. Without effect once the vCPU is gone.
    package func callAsFunction() {
        target.withLock { target in
            guard let target else { return }
            // The order decides: a thread that is not in KVM_RUN yet when the signal comes finds the byte set.
            // SAFETY: the vCPU invalidates this, under the same lock, before its area and thread go.
            unsafe caisson_publish_8(target.immediateExit, 1)
            _ = caisson_kick(target.thread)
        }
    }

    /// CPU time that the thread has used since it made the vCPU, in nanoseconds, or nil once the vCPU is gone.
    package var cpuTime: UInt64? {
        target.withLock { target in
            guard let target else { return nil }
            return UInt64(exactly: caisson_thread_cpu_time(target.thread) - target.earlierCPUTime)
        }
    }

    func invalidate() { target.withLock { $0 = nil } }
}
