import CLinux
import HostIO
import HostResources
import SystemPackage

/// A file without a name: it ends with its last descriptor, whatever ends this process. Once whole it can be given a name.
final class UnnamedFile: DiskContents, Sendable {
    private let file: OwnedFileDescriptor
    private let directory: String

    init(in directory: String) throws(ImageStoreError) {
        self.directory = directory
        // SAFETY: the path lives through the call.
        let descriptor = unsafe caisson_open_unnamed(directory)
        guard descriptor >= 0 else { throw .host(HostError("make a file in", directory, Errno(rawValue: -descriptor))) }
        file = OwnedFileDescriptor(owning: descriptor)
    }

    var descriptor: Int32 { file.rawValue }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(ImageStoreError) {
        var done = 0
        while done < bytes.count {
            // SAFETY: the rest of the buffer.
            let count = unsafe pwrite(
                descriptor, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done, off_t(offset) + off_t(done))
            if count < 0, Errno.current == .interrupted { continue }
            guard count > 0 else { throw failure("write", Errno.current) }
            done += count
        }
    }

    func write(_ bytes: [UInt8], at offset: UInt64) throws(ImageStoreError) {
        var failure: ImageStoreError?
        // SAFETY: the bytes live through the call.
        unsafe bytes.withUnsafeBytes { buffer in
            do throws(ImageStoreError) {
                try unsafe write(buffer, at: offset)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    func bytes(_ count: Int, at offset: UInt64) throws(ImageStoreError) -> [UInt8] {
        guard offset <= UInt64(Int64.max) - UInt64(count) else { return [UInt8](repeating: 0, count: count) }
        var bytes = [UInt8](repeating: 0, count: count)
        // SAFETY: as many bytes as the array has.
        guard unsafe pread(descriptor, &bytes, count, off_t(offset)) >= 0 else { throw failure("read", Errno.current) }
        return bytes
    }

    /// Copies the data, not the holes, of a part of another file.
    /// - Parameters:
    ///   - name: the other file's, for errors.
    ///   - offset: where the first byte goes.
    ///   - moved: called with the count of bytes that were passed since the last call.
    func copy(
        from other: Int32, named name: String, _ extent: Extent, to offset: UInt64,
        moved: (UInt64) -> Void = { _ in }
    ) throws(ImageStoreError) {
        let end = extent.offset + extent.count
        var position = extent.offset
        while position < end {
            let data = Self.nextData(of: other, in: position..<end)
            moved(data.lowerBound - position)
            position = data.lowerBound
            while position < data.upperBound {
                let copied = caisson_copy_bytes(
                    other, position, descriptor, offset + (position - extent.offset), data.upperBound - position)
                if copied == -Int64(EINTR) { continue }
                guard copied >= 0 else { throw .host(HostError("copy", name, Errno(rawValue: Int32(-copied)))) }
                // It became shorter meanwhile.
                if copied == 0 { return }
                position += UInt64(copied)
                moved(UInt64(copied))
            }
        }
    }

    /// The first data in a range; empty at its end where there is none.
    private static func nextData(of file: Int32, in range: Range<UInt64>) -> Range<UInt64> {
        var start: UInt64 = 0
        var end: UInt64 = 0
        // SAFETY: both values are written before the call ends.
        switch unsafe caisson_next_data(file, range.lowerBound, &start, &end) {
        case 0: return range.upperBound..<range.upperBound
        case 1: return min(start, range.upperBound)..<min(end, range.upperBound)
        // A file that cannot be asked is data all through.
        default: return range
        }
    }

    /// Shares another file's bytes, if the file system can.
    func clone(_ other: Int32) -> Bool { caisson_clone_file(other, descriptor) == 0 }

    func setSize(_ size: UInt64) throws(ImageStoreError) {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw failure("size", Errno.current) }
    }

    var size: UInt64 {
        get throws(ImageStoreError) {
            do {
                return UInt64(try Stat(FileDescriptor(rawValue: descriptor)).size)
            } catch {
                throw failure("look at", error)
            }
        }
    }

    /// Puts all that was written on stable storage.
    func synchronize() throws(ImageStoreError) {
        guard fsync(descriptor) == 0 else { throw failure("write", Errno.current) }
    }

    /// Gives it a name that nothing has.
    /// - Returns: false if something has it.
    func setName(_ path: String) throws(ImageStoreError) -> Bool {
        // SAFETY: the path lives through the call.
        let result = unsafe caisson_name_file(descriptor, path)
        guard result == 0 || result == -EEXIST else { throw .host(HostError("make", path, Errno(rawValue: -result))) }
        return result == 0
    }

    private func failure(_ operation: String, _ errno: Errno) -> ImageStoreError {
        .host(HostError(operation, "a file in \(directory)", errno))
    }
}
