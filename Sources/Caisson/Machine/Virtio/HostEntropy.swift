import CLinux
import Devices

/// Random bytes of the host's kernel.
final class HostEntropy: EntropySource {
    func fill(_ bytes: inout MutableSpan<UInt8>) {
        unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            var done = 0
            while done < buffer.count {
                // SAFETY: the kernel fills at most what is left of the buffer.
                let count = unsafe getrandom(buffer.baseAddress?.advanced(by: done), buffer.count - done, 0)
                // It fails only where a signal comes before the host has seeded its generator.
                done += max(0, count)
            }
        }
    }
}
