import CLinux
import SystemPackage

/// A new folder for this process alone.
package struct TemporaryFolder: Sendable {
    package let path: String

    /// - Parameters:
    ///   - parent: where it will be; nil is $TMPDIR, or else /tmp.
    ///   - name: what its name begins with.
    package init(in parent: String? = nil, name: String) throws(HostError) {
        let parent = parent ?? HostProcess.environment("TMPDIR") ?? "/tmp"
        var template = Array("\(parent)/\(name).XXXXXX".utf8CString)
        // SAFETY: the array ends with a NUL, and mkdtemp changes only the six letters.
        guard let made = unsafe mkdtemp(&template) else {
            throw HostError("make a folder in", parent, Errno.current)
        }
        path = unsafe String(cString: made)
    }

    /// Makes a folder in it, where it is missing; those above it have to be there.
    @discardableResult
    package func folder(_ name: String) throws(HostError) -> String {
        let folder = "\(path)/\(name)"
        // SAFETY: the path lives through the call.
        guard unsafe mkdir(folder, 0o755) == 0 || Errno.current == .fileExists else {
            throw HostError("make the directory", folder, Errno.current)
        }
        return folder
    }

    /// Mounts a new file system of a type without a device, or, without a type, what is at `source`.
    package static func mount(_ source: String, at place: String, type: String? = nil) throws(HostError) {
        // SAFETY: the texts live through the call.
        let result = unsafe caisson_mount(source, place, type)
        guard result == 0 else { throw HostError("mount \(source) at", place, Errno(rawValue: -result)) }
    }

    /// Takes away what is mounted at a place.
    package static func unmount(_ place: String) {
        // SAFETY: the path lives through the call.
        _ = unsafe caisson_unmount(place)
    }

    /// Takes away what is mounted on it and below it.
    package func unmountAll() {
        guard let mounts = try? HostFile.text(of: "/proc/self/mounts", limit: 16 << 20) else { return }
        let places = mounts.split(separator: "\n").compactMap { line in
            line.split(separator: " ").dropFirst().first.map(String.init)
        }
        // The last first: it may lie in one before it.
        for place in places.reversed() where place == path || place.hasPrefix("\(path)/") { Self.unmount(place) }
    }
}

extension HostFile {
    /// Writes a file anew.
    package static func write(_ text: String, to path: String, executable: Bool = false) throws(HostError) {
        do {
            let file = try FileDescriptor.open(
                FilePath(path), .writeOnly, options: [.create, .truncate, .closeOnExec],
                permissions: executable
                    ? [.ownerReadWriteExecute, .groupReadExecute, .otherReadExecute]
                    : [.ownerReadWrite, .groupRead, .otherRead])
            try file.closeAfter { _ = try file.writeAll(text.utf8) }
        } catch {
            throw HostError("write", path, (error as? Errno) ?? .ioError)
        }
    }

    /// Where a symbolic link leads; nil for what is none.
    package static func target(ofLink path: String) -> String? {
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { buffer, count in
            // SAFETY: readlink writes at most the buffer's bytes, without a NUL.
            let length = unsafe buffer.withMemoryRebound(to: CChar.self) { bytes in
                unsafe bytes.baseAddress.map { unsafe readlink(path, $0, bytes.count) } ?? -1
            }
            count = max(0, length)
        }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }

    /// The program that a name means, as PATH has it; nil where there is none.
    package static func program(_ name: String) -> String? {
        if name.contains("/") { return isExecutable(name) ? name : nil }
        let path = HostProcess.environment("PATH") ?? "/usr/bin:/bin"
        // Where Debian keeps programs for administrators, which users' PATH may leave out.
        let folders = path.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin"]
        return folders.lazy.map { "\($0)/\(name)" }.first { isExecutable($0) }
    }

    private static func isExecutable(_ path: String) -> Bool {
        // SAFETY: the path lives through the call.
        guard unsafe access(path, X_OK) == 0 else { return false }
        return (try? Stat(FilePath(path)))?.type == .regular
    }
}
