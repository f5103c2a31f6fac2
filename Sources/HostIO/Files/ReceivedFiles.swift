import CLinux
import Glibc
import HostResources
import SystemPackage

/// A file or a directory with all that is in it, on its way to a place on the host. Until all has come it is under a name of its own
/// beside that place, or in it; then it takes its place, in which nothing is half made. It goes with this value where that does not happen.
///
/// What comes is not trusted: a name is one name, no link is followed, and files have no power that their owner did not have: no
/// set-id bits, and the owners that came only where this process is root's.
package final class ReceivedFiles {
    package struct Attributes: Equatable, Sendable {
        package var mode: UInt16
        package var user: UInt32
        package var group: UInt32
        /// Since 1970; nanoseconds below 10^9.
        package var seconds: Int64
        package var nanoseconds: UInt32

        package init(mode: UInt16, user: UInt32, group: UInt32, seconds: Int64, nanoseconds: UInt32) {
            self.mode = mode
            self.user = user
            self.group = group
            self.seconds = seconds
            self.nanoseconds = nanoseconds
        }
    }

    private struct Level {
        let directory: SharedFileDescriptor
        let attributes: Attributes
    }

    /// What messages call the place.
    private let path: String
    private let ownsAll: Bool
    /// The directory in which it is made, and where it goes then.
    private let base: SharedFileDescriptor
    private let goesInside: Bool
    /// In `base`, unless all of a directory goes right into that.
    private var finalName: FileName?
    private let ownName: FileName
    private var levels: [Level] = []
    private var file: (descriptor: SharedFileDescriptor, attributes: Attributes)?
    private var isThere = false
    private var isPlaced = false

    /// - Parameter path: where it goes. Where that is a directory, or ends with a slash, a file goes into it; a directory joins one that is
    ///   there, unless the path ends with a slash.
    /// - Throws: where nothing could be made there.
    package init(at path: String) throws(HostError) {
        self.path = path
        ownsAll = geteuid() == 0
        let file = FilePath(path)
        let isDirectory = (try? Stat(file))?.type == .directory
        goesInside = path.hasSuffix("/")
        let parent = file.removingLastComponent()
        let name = file.lastComponent
        if isDirectory || goesInside || name?.kind != .regular {
            base = try Self.directory(path)
            finalName = nil
        } else {
            base = try Self.directory(parent.isEmpty ? "." : parent.string)
            finalName = FileName(name?.string ?? "")
        }
        ownName = FileName(".caisson-\(getpid())-\(UInt64.random(in: 0 ... .max))")
        // SAFETY: the name lives through the call.
        guard unsafe faccessat(base.rawValue, ".", W_OK | X_OK, AT_EACCESS) == 0 else {
            throw HostError("write to", path, Errno.current)
        }
    }

    private static func directory(_ path: String) throws(HostError) -> SharedFileDescriptor {
        SharedFileDescriptor(try OwnedFileDescriptor(opening: path, .readOnly, options: .directory))
    }

    deinit { discard() }

    /// Takes away what has not come to its place.
    package func discard() {
        levels = []
        file = nil
        if isThere, !isPlaced { try? remove(ownName, in: base) }
        isThere = false
    }

    private func failure(_ operation: String, _ name: FileName, _ errno: Errno = .current) -> HostError {
        HostError(operation, "\(name) of \(path)", errno)
    }

    // MARK: What comes

    /// Where the next one goes, and what it is called there.
    private func place(_ name: FileName, isDirectory: Bool) -> (directory: SharedFileDescriptor, name: FileName) {
        if let level = levels.last { return (level.directory, name) }
        if finalName == nil, !isDirectory || goesInside { finalName = name }
        isThere = true
        return (base, ownName)
    }

    package func beginDirectory(_ name: FileName, _ attributes: Attributes) throws(HostError) {
        let (parent, own) = place(name, isDirectory: true)
        // SAFETY: the name ends with a NUL.
        guard unsafe mkdirat(parent.rawValue, own.cString, 0o700) == 0 else { throw failure("make", name) }
        levels.append(Level(directory: try open(own, in: parent), attributes: attributes))
    }

    package func endDirectory() throws(HostError) {
        let level = levels.removeLast()
        try apply(level.attributes, to: level.directory)
    }

    package func beginFile(_ name: FileName, _ attributes: Attributes) throws(HostError) {
        let (parent, own) = place(name, isDirectory: false)
        // SAFETY: the name ends with a NUL.
        let descriptor = unsafe caisson_create_in(parent.rawValue, own.cString, O_WRONLY, 0o600)
        guard descriptor >= 0 else { throw failure("make", name, Errno(rawValue: -descriptor)) }
        file = (SharedFileDescriptor(OwnedFileDescriptor(owning: descriptor)), attributes)
    }

    package func write(_ bytes: Span<UInt8>, at offset: UInt64) throws(HostError) {
        guard let file else { return }
        var rest = bytes
        var position = offset
        while !rest.isEmpty {
            // SAFETY: as many bytes as the span has.
            let count = unsafe rest.withUnsafeBytes { buffer in
                unsafe pwrite(file.descriptor.rawValue, buffer.baseAddress, buffer.count, off_t(clamping: position))
            }
            if count < 0, Errno.current == .interrupted { continue }
            guard count > 0 else { throw HostError("write to", path, Errno.current) }
            rest = rest.extracting(droppingFirst: count)
            position += UInt64(count)
        }
    }

    package func endFile(size: UInt64) throws(HostError) {
        guard let file = file.take() else { return }
        guard ftruncate(file.descriptor.rawValue, off_t(clamping: size)) == 0 else {
            throw HostError("write to", path, Errno.current)
        }
        try apply(file.attributes, to: file.descriptor)
    }

    package func link(_ name: FileName, to target: [UInt8], _ attributes: Attributes) throws(HostError) {
        let (parent, own) = place(name, isDirectory: false)
        // SAFETY: both texts end with a NUL.
        guard unsafe symlinkat(FileName(target).cString, parent.rawValue, own.cString) == 0 else {
            throw failure("make", name)
        }
        try apply(attributes, to: own, in: parent)
    }

    package func fifo(_ name: FileName, _ attributes: Attributes) throws(HostError) {
        let (parent, own) = place(name, isDirectory: false)
        // SAFETY: the name ends with a NUL.
        guard unsafe mkfifoat(parent.rawValue, own.cString, mode_t(attributes.mode & 0o777)) == 0 else {
            throw failure("make", name)
        }
        try apply(attributes, to: own, in: parent)
    }

    private func times(_ attributes: Attributes) -> [timespec] {
        let time = timespec(tv_sec: Int(attributes.seconds), tv_nsec: Int(attributes.nanoseconds))
        return [time, time]
    }

    private func apply(_ attributes: Attributes, to file: SharedFileDescriptor) throws(HostError) {
        let raw = file.rawValue
        // The owner first: it takes bits of the mode away.
        guard !ownsAll || fchown(raw, attributes.user, attributes.group) == 0,
            fchmod(raw, mode_t(attributes.mode & 0o1777)) == 0
        else { throw HostError("write to", path, Errno.current) }
        // SAFETY: two times. One that the file system does not know is no reason to give up.
        _ = unsafe futimens(raw, times(attributes))
    }

    private func apply(
        _ attributes: Attributes, to name: FileName, in directory: SharedFileDescriptor
    ) throws(HostError) {
        let raw = directory.rawValue
        // SAFETY: the name ends with a NUL.
        if ownsAll,
            unsafe fchownat(raw, name.cString, attributes.user, attributes.group, AT_SYMLINK_NOFOLLOW) != 0
        {
            throw failure("change the owner of", name)
        }
        // SAFETY: as above, and two times.
        _ = unsafe utimensat(raw, name.cString, times(attributes), AT_SYMLINK_NOFOLLOW)
    }

    // MARK: Its place

    /// All has come: it takes its place. A directory joins one that is there; a file takes another's place, but never a directory's.
    package func finish() throws(HostError) {
        guard isThere, levels.isEmpty, file == nil else { return }
        if let finalName {
            try move(ownName, in: base, to: finalName, in: base)
        } else {
            try join(ownName, in: base, with: base)
        }
        isPlaced = true
    }

    private func isDirectory(_ name: FileName, in directory: SharedFileDescriptor) -> Bool {
        var status = stat()
        // SAFETY: the name ends with a NUL, and the status is written before the call ends.
        return unsafe fstatat(directory.rawValue, name.cString, &status, AT_SYMLINK_NOFOLLOW) == 0
            && status.st_mode & S_IFMT == S_IFDIR
    }

    private func move(
        _ name: FileName, in from: SharedFileDescriptor, to new: FileName, in to: SharedFileDescriptor
    ) throws(HostError) {
        if isDirectory(name, in: from), isDirectory(new, in: to) {
            return try join(name, in: from, with: try open(new, in: to))
        }
        // SAFETY: both names end with a NUL.
        guard unsafe renameat(from.rawValue, name.cString, to.rawValue, new.cString) == 0 else {
            throw failure("replace", new)
        }
    }

    /// Moves all that is in a directory to another, and removes it.
    private func join(
        _ name: FileName, in parent: SharedFileDescriptor, with other: SharedFileDescriptor
    ) throws(HostError) {
        let directory = try open(name, in: parent)
        // It may be one that nobody may write to.
        _ = fchmod(directory.rawValue, 0o700)
        for child in try names(in: directory) { try move(child, in: directory, to: child, in: other) }
        try removeDirectory(name, in: parent)
    }

    private func remove(_ name: FileName, in parent: SharedFileDescriptor) throws(HostError) {
        guard isDirectory(name, in: parent) else {
            // SAFETY: the name ends with a NUL.
            guard unsafe unlinkat(parent.rawValue, name.cString, 0) == 0 else { throw failure("remove", name) }
            return
        }
        let directory = try open(name, in: parent)
        _ = fchmod(directory.rawValue, 0o700)
        for child in try names(in: directory) { try remove(child, in: directory) }
        try removeDirectory(name, in: parent)
    }

    private func removeDirectory(_ name: FileName, in parent: SharedFileDescriptor) throws(HostError) {
        // SAFETY: the name ends with a NUL.
        guard unsafe unlinkat(parent.rawValue, name.cString, AT_REMOVEDIR) == 0 else { throw failure("remove", name) }
    }

    private func names(in directory: SharedFileDescriptor) throws(HostError) -> [FileName] {
        try DirectoryListing.names(in: try OwnedFileDescriptor(duplicating: directory.rawValue), path: path)
    }

    private func open(_ name: FileName, in parent: SharedFileDescriptor) throws(HostError) -> SharedFileDescriptor {
        // SAFETY: the name ends with a NUL.
        let descriptor = unsafe caisson_open_in(parent.rawValue, name.cString, 1)
        guard descriptor >= 0 else { throw failure("open", name, Errno(rawValue: -descriptor)) }
        return SharedFileDescriptor(OwnedFileDescriptor(owning: descriptor))
    }
}
