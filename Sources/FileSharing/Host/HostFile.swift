import CLinux
import HostResources

/// Calls of the host's kernel on files of a share, which fail with its errors.
enum HostFile {
    private static func checked<Value: SignedInteger>(_ result: Value) throws(FileError) -> Value {
        guard result >= 0 else { throw FileError(Int32(-result)) }
        return result
    }

    // SAFETY: here and below, names and paths are arrays that end with a NUL, which the kernel only reads.

    // MARK: Looking

    static func status(of descriptor: Int32) throws(FileError) -> FileStatus {
        try status(of: [0], in: descriptor)
    }

    static func status(of name: FileName, in directory: Int32) throws(FileError) -> FileStatus {
        try status(of: name.terminated, in: directory)
    }

    private static func status(of name: [CChar], in directory: Int32) throws(FileError) -> FileStatus {
        var status = FileStatus()
        // SAFETY: the kernel stores the status during the call.
        _ = try checked(unsafe caisson_status_of(directory, name, &status))
        return status
    }

    static func fileSystemStatus(of descriptor: Int32) throws(FileError) -> caisson_file_system_status {
        var status = caisson_file_system_status()
        // SAFETY: the kernel stores the status during the call.
        _ = try checked(unsafe caisson_status_of_file_system(descriptor, &status))
        return status
    }

    static func target(of node: Int32) throws(FileError) -> [UInt8] {
        // SAFETY: as many bytes as the buffer has.
        unsafe try bytes(atMost: Int(PATH_MAX)) { unsafe caisson_read_link(node, $0.baseAddress, $0.count) }
    }

    /// The next entries of an open directory, of at most `count` bytes as the kernel counts them; none at the end.
    static func entries(of directory: Int32, atMost count: Int) throws(FileError) -> [DirectoryEntry] {
        // SAFETY: as many bytes as the buffer has.
        let bytes = unsafe try bytes(atMost: count) { unsafe caisson_read_entries(directory, $0.baseAddress, $0.count) }
        // struct linux_dirent64: u64 inode, s64 offset, u16 record's length, u8 type, name with NULs behind it.
        var reader = MessageReader(bytes)
        var entries: [DirectoryEntry] = []
        while reader.count > 0 {
            let inode: UInt64 = try reader.number()
            let next: UInt64 = try reader.number()
            let length: UInt16 = try reader.number()
            let type: UInt8 = try reader.number()
            let name = try reader.take(Int(length) - 19)
            entries.append(DirectoryEntry(inode: inode, next: next, type: type, name: name.prefix { $0 != 0 }))
        }
        return entries
    }

    /// What `body` stores into a buffer of `count` bytes.
    private static func bytes(
        atMost count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int64
    ) throws(FileError) -> [UInt8] {
        var result: Int64 = 0
        // SAFETY: the kernel stores as many bytes as it returns, which are at most those of the buffer.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, stored in
            result = unsafe body(UnsafeMutableRawBufferPointer(buffer))
            stored = max(0, Int(result))
        }
        _ = try checked(result)
        return bytes
    }

    /// The time of day as files get it, in whole seconds.
    static var now: Int64 {
        var time = timespec()
        // SAFETY: the kernel stores the time during the call, which cannot fail for this clock.
        _ = unsafe caisson_coarse_time(&time)
        return Int64(time.tv_sec)
    }

    // MARK: Opening

    static func openNode(_ name: FileName, in directory: Int32) throws(FileError) -> OwnedFileDescriptor {
        // SAFETY: as above.
        OwnedFileDescriptor(owning: try checked(unsafe caisson_open_node(directory, name.terminated)))
    }

    static func openNode(of directory: Int32) throws(FileError) -> OwnedFileDescriptor {
        OwnedFileDescriptor(owning: try checked(caisson_open_own_node(directory)))
    }

    static func open(_ node: Int32, _ flags: Int32) throws(FileError) -> OwnedFileDescriptor {
        OwnedFileDescriptor(owning: try checked(caisson_open_contents(node, flags)))
    }

    static func create(
        _ name: FileName, in directory: Int32, _ flags: Int32, mode: UInt32
    ) throws(FileError) -> OwnedFileDescriptor {
        // SAFETY: as above.
        OwnedFileDescriptor(owning: try checked(unsafe caisson_create_in(directory, name.terminated, flags, mode)))
    }

    // MARK: Changing directories

    static func makeDirectory(_ name: FileName, in directory: Int32, mode: UInt32) throws(FileError) {
        // SAFETY: as above.
        _ = try checked(unsafe caisson_make_directory_in(directory, name.terminated, mode))
    }

    static func makeNode(_ name: FileName, in directory: Int32, mode: UInt32) throws(FileError) {
        // SAFETY: as above.
        _ = try checked(unsafe caisson_make_node_in(directory, name.terminated, mode))
    }

    static func makeSymbolicLink(_ name: FileName, in directory: Int32, target: [CChar]) throws(FileError) {
        // SAFETY: as above.
        _ = try checked(unsafe caisson_make_link_in(directory, name.terminated, target))
    }

    static func link(_ node: Int32, to name: FileName, in directory: Int32) throws(FileError) {
        // SAFETY: as above.
        _ = try checked(unsafe caisson_link_node(node, directory, name.terminated))
    }

    static func remove(_ name: FileName, from directory: Int32, isDirectory: Bool) throws(FileError) {
        // SAFETY: as above.
        _ = try checked(unsafe caisson_remove_from(directory, name.terminated, isDirectory ? 1 : 0))
    }

    static func rename(
        _ name: FileName, in directory: Int32, to newName: FileName, in newDirectory: Int32, flags: UInt32
    ) throws(FileError) {
        // SAFETY: as above.
        _ = try checked(
            unsafe caisson_rename_in(directory, name.terminated, newDirectory, newName.terminated, flags))
    }

    // MARK: Changing files

    static func changeMode(of node: Int32, to mode: UInt32) throws(FileError) {
        _ = try checked(caisson_change_mode(node, mode))
    }

    static func changeOwner(of node: Int32, user: UInt32?, group: UInt32?) throws(FileError) {
        _ = try checked(caisson_change_owner(node, user ?? .max, group ?? .max))
    }

    static func changeTimes(
        of node: Int32, accessed: FuseRequest.Changes.Time?, modified: FuseRequest.Changes.Time?
    ) throws(FileError) {
        func time(_ time: FuseRequest.Changes.Time?) -> timespec {
            switch time {
            case nil: timespec(tv_sec: 0, tv_nsec: Int(caisson_time_omitted))
            case .now: timespec(tv_sec: 0, tv_nsec: Int(caisson_time_now))
            case .at(let time): timespec(tv_sec: Int(time.seconds), tv_nsec: Int(time.nanoseconds))
            }
        }
        _ = try checked(caisson_change_times(node, time(accessed), time(modified)))
    }

    /// Takes the set-id bits off a file that somebody changes who may not keep them.
    static func clearSetID(of file: Int32) throws(FileError) {
        let mode = try status(of: file).mode
        // A set-group-id bit without the group's right to execute means something else.
        let bits = mode & 0o4000 | (mode & 0o0010 != 0 ? mode & 0o2000 : 0)
        if bits != 0 { _ = try checked(caisson_change_open_mode(file, mode & ~bits)) }
    }

    static func truncate(_ file: Int32, to size: UInt64) throws(FileError) {
        _ = try checked(caisson_truncate(file, size))
    }

    static func allocate(_ file: Int32, _ place: FuseRequest.Place, count: UInt64, mode: UInt32) throws(FileError) {
        _ = try checked(caisson_allocate(file, Int32(mode), place.offset, count))
    }

    static func seek(_ file: Int32, from offset: UInt64, whence: Int32) throws(FileError) -> UInt64 {
        UInt64(try checked(caisson_seek(file, offset, whence)))
    }

    static func copy(
        from source: Int32, at offset: UInt64, to target: Int32, at targetOffset: UInt64, count: UInt64
    ) throws(FileError) -> Int64 {
        try checked(caisson_copy_range(source, offset, target, targetOffset, count))
    }

    static func synchronize(_ file: Int32, dataOnly: Bool) throws(FileError) {
        _ = try checked(caisson_sync_file(file, dataOnly ? 1 : 0))
    }

    static func synchronizeFileSystem(of file: Int32) throws(FileError) {
        _ = try checked(caisson_sync_file_system(file))
    }

    // MARK: Data

    static func read(
        _ file: Int32, at offset: UInt64, count: UInt64, into message: borrowing some FuseMessage & ~Copyable
    ) throws(FileError) -> Int64 {
        // SAFETY: the answer's room, which is the message's during the call. IOV_MAX is 1024.
        try checked(
            unsafe message.withAnswer(from: UInt64(FuseHeader.replySize), atMost: count) { segments in
                unsafe caisson_readv(file, segments.baseAddress, Int32(min(segments.count, 1024)), offset)
            })
    }

    static func write(
        _ file: Int32, at offset: UInt64?, count: UInt64, from message: borrowing some FuseMessage & ~Copyable
    ) throws(FileError) -> Int64 {
        let start = UInt64(FuseHeader.size + FuseRequest.writeSize)
        // SAFETY: as for reading; the kernel only reads what is written.
        return try checked(
            unsafe message.withRequest(from: start, atMost: count) { segments in
                let number = Int32(min(segments.count, 1024))
                guard let offset else { return unsafe caisson_append(file, segments.baseAddress, number) }
                return unsafe caisson_writev(file, segments.baseAddress, number, offset, 0)
            })
    }

    // MARK: Extended attributes

    static func attribute(_ name: [CChar], of node: Int32, atMost count: Int) throws(FileError) -> [UInt8] {
        // SAFETY: as many bytes as the buffer has.
        unsafe try bytes(atMost: count) { unsafe caisson_get_attribute(node, name, $0.baseAddress, $0.count) }
    }

    static func attributeSize(_ name: [CChar], of node: Int32) throws(FileError) -> Int {
        // SAFETY: without room, the kernel tells the size only.
        Int(try checked(unsafe caisson_get_attribute(node, name, nil, 0)))
    }

    static func setAttribute(
        _ name: [CChar], of node: Int32, to value: [UInt8], flags: UInt32
    ) throws(FileError) {
        // SAFETY: as many bytes as the value has.
        _ = try checked(unsafe caisson_set_attribute(node, name, value, value.count, Int32(flags)))
    }

    static func attributeNames(of node: Int32) throws(FileError) -> [UInt8] {
        // SAFETY: as many bytes as the buffer has.
        unsafe try bytes(atMost: 1 << 16) { unsafe caisson_list_attributes(node, $0.baseAddress, $0.count) }
    }

    static func removeAttribute(_ name: [CChar], of node: Int32) throws(FileError) {
        // SAFETY: as above.
        _ = try checked(unsafe caisson_remove_attribute(node, name))
    }
}
