import CLinux
import Glibc
import HostIO
import HostResources
import SystemPackage

/// Reads a directory with all that is in it, as an archive is read. Symbolic links are not followed, and other file systems
/// that are mounted in it stay out.
final class DirectoryReader {
    private let root: String
    private let spool: Spool
    private let budget: ImportBudget
    /// Whose files become root's, of whoever imports without being root.
    private let ownUser: UInt32
    private let ownGroup: UInt32
    /// Names of an entry's path that are not the source's.
    private var prefixCount = 0
    private var device: UInt64 = 0
    private var entries: [LayerEntry] = []
    /// Files with several names, by their inodes.
    private var names: [UInt64: EntryPath] = [:]

    /// Levels of directories, of which each takes a descriptor while it is read.
    private static let deepest = 500

    init(_ root: String, into spool: Spool, within budget: ImportBudget) {
        self.root = root
        self.spool = spool
        self.budget = budget
        ownUser = HostProcess.userID
        ownGroup = HostProcess.groupID
    }

    func read() throws(ImageStoreError) -> [LayerEntry] {
        // Behind the slash, a symbolic link that was named is followed.
        let directory = try open(Array("\(root)/".utf8CString), in: AT_FDCWD, isDirectory: true, EntryPath())
        let descriptor = directory.rawValue
        let status = try status(of: EntryPath()) { unsafe fstat(descriptor, &$0) }
        device = UInt64(status.st_dev)
        try addDirectory(directory, status, at: EntryPath())
        return entries
    }

    /// Reads the directory, or a single file, as a name in a directory of its own.
    func read(as name: FileName) throws(ImageStoreError) -> [LayerEntry] {
        prefixCount = 1
        // What was named may be a link, which is followed.
        let status = try status(of: EntryPath()) { unsafe stat(root, &$0) }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            let directory = try open(Array("\(root)/".utf8CString), in: AT_FDCWD, isDirectory: true, EntryPath())
            let descriptor = directory.rawValue
            let own = try self.status(of: EntryPath()) { unsafe fstat(descriptor, &$0) }
            device = UInt64(own.st_dev)
            try addDirectory(directory, own, at: EntryPath([name]))
            return entries
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .source(root, problem: "it is neither a file nor a directory")
        }
        // SAFETY: the path lives through the call.
        let descriptor = unsafe caisson_open_file(root)
        guard descriptor >= 0 else { throw failure("open", EntryPath(), Errno(rawValue: -descriptor)) }
        try addFile(OwnedFileDescriptor(owning: descriptor), at: EntryPath([name]))
        return entries
    }

    private func status(
        of path: EntryPath, _ call: (inout stat) -> Int32
    ) throws(ImageStoreError) -> stat {
        var status = stat()
        guard call(&status) == 0 else { throw failure("look at", path) }
        return status
    }

    private func failure(_ operation: String, _ path: EntryPath, _ errno: Errno = Errno.current) -> ImageStoreError {
        .host(HostError(operation, hostPath(path), errno))
    }

    private func hostPath(_ path: EntryPath) -> String {
        let names = path.names.dropFirst(prefixCount)
        return root + (names.isEmpty ? "" : "\(EntryPath(Array(names)))")
    }

    private func addDirectory(
        _ directory: borrowing OwnedFileDescriptor, _ status: stat, at path: EntryPath
    ) throws(ImageStoreError) {
        try append(path, .directory, status, extended: try extendedAttributes(of: directory.rawValue, path))
        guard path.names.count < Self.deepest else {
            throw .source(root, problem: "'\(path)' is more than \(Self.deepest) directories deep")
        }
        for name in try names(in: directory, path).sorted() {
            try add(name, in: directory, at: path.appending(name))
        }
    }

    private func names(in directory: borrowing OwnedFileDescriptor, _ path: EntryPath) throws(ImageStoreError)
        -> [FileName]
    {
        do throws(HostError) {
            return try DirectoryListing.names(in: directory, path: hostPath(path))
        } catch { throw .host(error) }
    }

    private func add(
        _ name: FileName, in directory: borrowing OwnedFileDescriptor, at path: EntryPath
    ) throws(ImageStoreError) {
        let raw = directory.rawValue
        let cName = name.bytes.map { CChar(bitPattern: $0) } + [0]
        // SAFETY: the name ends with a NUL.
        let status = try status(of: path) { unsafe fstatat(raw, cName, &$0, AT_SYMLINK_NOFOLLOW) }
        // A file that is mounted there has its number on another device.
        if status.st_nlink > 1, status.st_mode & S_IFMT != S_IFDIR, UInt64(status.st_dev) == self.device {
            if let earlier = names[UInt64(status.st_ino)] {
                return try append(LayerEntry(path: path, content: .hardLink(earlier)))
            }
            names[UInt64(status.st_ino)] = path
        }
        let device = (major: gnu_dev_major(status.st_rdev), minor: gnu_dev_minor(status.st_rdev))
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
            let child = try open(cName, in: raw, isDirectory: true, path)
            // What is mounted there is not this directory's; its mount point is.
            if UInt64(status.st_dev) != self.device {
                try append(path, .directory, status)
            } else {
                try addDirectory(child, status, at: path)
            }
        case S_IFREG: try addFile(try open(cName, in: raw, isDirectory: false, path), at: path)
        case S_IFLNK: try append(path, .symbolicLink(try target(of: cName, in: raw, path)), status)
        case S_IFCHR: try append(path, .characterDevice(major: device.major, minor: device.minor), status)
        case S_IFBLK: try append(path, .blockDevice(major: device.major, minor: device.minor), status)
        case S_IFIFO: try append(path, .fifo, status)
        // A socket without the program that listens is nothing.
        default: break
        }
    }

    private func append(
        _ path: EntryPath, _ kind: FileEntry.Kind, _ status: stat, extended: [ExtendedAttribute] = []
    ) throws(ImageStoreError) {
        let attributes = attributes(status, extended: extended)
        try append(LayerEntry(path: path, content: .file(FileEntry(kind: kind, attributes: attributes))))
    }

    private func append(_ entry: LayerEntry) throws(ImageStoreError) {
        try budget.spend(on: entry, of: root)
        entries.append(entry)
    }

    private func addFile(_ file: consuming OwnedFileDescriptor, at path: EntryPath) throws(ImageStoreError) {
        // What was opened, which may not be what was looked at.
        let descriptor = file.rawValue
        let status = try status(of: path) { unsafe fstat(descriptor, &$0) }
        let extent = try budget.reserve(UInt64(max(0, status.st_size)), in: spool, for: root)
        try spool.file.copy(
            from: descriptor, named: hostPath(path), Extent(offset: 0, count: extent.count), to: extent.offset,
            moved: budget.advance)
        try append(path, .regular(extent), status, extended: try extendedAttributes(of: descriptor, path))
        _ = consume file
    }

    private func open(
        _ name: [CChar], in directory: Int32, isDirectory: Bool, _ path: EntryPath
    ) throws(ImageStoreError) -> OwnedFileDescriptor {
        // SAFETY: the name ends with a NUL.
        let descriptor = unsafe caisson_open_in(directory, name, isDirectory ? 1 : 0)
        guard descriptor >= 0 else { throw failure("open", path, Errno(rawValue: -descriptor)) }
        return OwnedFileDescriptor(owning: descriptor)
    }

    private func target(
        of name: [CChar], in directory: Int32, _ path: EntryPath
    ) throws(ImageStoreError) -> [UInt8] {
        var length = 0
        let target = unsafe [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { buffer, count in
            // SAFETY: readlinkat writes at most the buffer's bytes, without a NUL.
            length = unsafe buffer.withMemoryRebound(to: CChar.self) { bytes in
                unsafe bytes.baseAddress.map { unsafe readlinkat(directory, name, $0, bytes.count) } ?? -1
            }
            count = max(0, length)
        }
        guard length > 0 else { throw failure("read the link", path) }
        return target
    }

    private func attributes(_ status: stat, extended: [ExtendedAttribute]) -> FileAttributes {
        FileAttributes(
            mode: UInt16(status.st_mode & 0o7777),
            user: ownUser != 0 && status.st_uid == ownUser ? 0 : status.st_uid,
            group: ownUser != 0 && status.st_gid == ownGroup ? 0 : status.st_gid,
            modified: FileTime(
                seconds: Int64(status.st_mtim.tv_sec), nanoseconds: UInt32(status.st_mtim.tv_nsec)),
            extended: extended)
    }

    private func extendedAttributes(of file: Int32, _ path: EntryPath) throws(ImageStoreError) -> [ExtendedAttribute] {
        let size = flistxattr(file, nil, 0)
        // File systems without attributes have none.
        guard size > 0 else { return [] }
        var list = [CChar](repeating: 0, count: size)
        // SAFETY: as many bytes as the list has.
        let length = unsafe flistxattr(file, &list, size)
        guard length >= 0 else { throw failure("read the attributes of", path) }
        var attributes: [ExtendedAttribute] = []
        for name in list.prefix(length).split(separator: 0).map({ Array($0) }) {
            let cName = name + [0]
            // SAFETY: the name ends with a NUL; first the size, then as many bytes as there is room for.
            let size = unsafe fgetxattr(file, cName, nil, 0)
            guard size >= 0 else { continue }
            var value = [UInt8](repeating: 0, count: size)
            let count = unsafe fgetxattr(file, cName, &value, size)
            guard count >= 0 else { throw failure("read the attributes of", path) }
            attributes.append(
                ExtendedAttribute(name: name.map { UInt8(bitPattern: $0) }, value: Array(value.prefix(count))))
        }
        return attributes.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }
}
