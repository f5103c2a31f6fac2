package import CLinux
import Devices
import FileSharing
import HostResources
import Synchronization
import SystemPackage
package import Virtio

/// A directory of the host's, as the file system of a guest.
final class SharedFiles: FileSystemHost {
    private struct State: ~Copyable {
        var server: FileServer
        var isThreadPrepared = false
    }

    // Held while a request is carried out, as is the device's.
    private let state: Mutex<State>

    /// Opens the directory, which stays the same one whatever becomes of its path.
    /// - Parameter shareCount: shares of this process, among which the descriptors that it may have are parted.
    /// - Throws: `storageFailure`.
    init(_ directory: SharedDirectory, shareCount: Int) throws(VirtualMachineError) {
        let path = directory.path.string
        func failure(_ number: Int32) -> VirtualMachineError {
            VirtualMachineError(.storageFailure, "cannot share \(path): \(Errno(rawValue: number))")
        }
        // SAFETY: the string lasts for the call.
        let root = unsafe caisson_open_shared_directory(path)
        guard root >= 0 else { throw failure(-root) }
        let limits = FileServer.Limits(
            descriptorLimit: caisson_raise_descriptor_limit(), shareCount: shareCount)
        do throws(FileError) {
            state = Mutex(
                State(
                    server: try FileServer(
                        root: OwnedFileDescriptor(owning: root), isReadOnly: directory.isReadOnly, limits: limits)))
        } catch { throw failure(error.number) }
    }

    func serve(_ request: borrowing VirtqueueRequest) -> UInt32? {
        state.withLock { state in
            if !state.isThreadPrepared {
                // Always the same thread.
                FileServer.prepareThread()
                state.isThreadPrepared = true
            }
            return state.server.serve(request)
        }
    }

    func reset() { state.withLock { $0.server.reset() } }
}

extension VirtqueueRequest: FuseMessage {
    package var requestSize: UInt64 { readableBytes }
    package var answerRoom: UInt64 { writableBytes }

    package func copyRequest(atMost count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: min(count, Int(readableBytes)))
        var span = bytes.mutableSpan
        _ = read(at: 0, into: &span)
        return bytes
    }

    package func store(_ bytes: Span<UInt8>, at offset: UInt64) { _ = write(bytes, at: offset) }

    // SAFETY: here and below, the buffers are guest RAM, and valid as long as `body` runs.
    @unsafe package func withRequest(
        from offset: UInt64, atMost count: UInt64, _ body: (UnsafeBufferPointer<iovec>) -> Int64
    ) -> Int64 {
        withReadableBuffers(from: offset, atMost: count) { unsafe body($0.segments) }
    }

    @unsafe package func withAnswer(
        from offset: UInt64, atMost count: UInt64, _ body: (UnsafeBufferPointer<iovec>) -> Int64
    ) -> Int64 {
        withWritableBuffers(from: offset, atMost: count) { unsafe body($0.segments) }
    }
}
