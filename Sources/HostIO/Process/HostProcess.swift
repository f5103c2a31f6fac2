import CLinux
import SystemPackage

/// This process, as the kernel knows it.
package enum HostProcess {
    /// What the environment says of `name`; an empty value counts as none.
    package static func environment(_ name: String) -> String? {
        // SAFETY: the value is copied at once; nothing here changes the environment.
        guard let value = unsafe getenv(name), unsafe value.pointee != 0 else { return nil }
        return unsafe String(cString: value)
    }

    package static var userID: UInt32 { geteuid() }
    package static var groupID: UInt32 { getegid() }

    /// The path of the file that this process executes; nil where /proc does not tell.
    package static var executablePath: String? {
        let path = unsafe [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { buffer, count in
            // SAFETY: readlink writes at most the buffer's bytes, without a NUL.
            let length = unsafe buffer.withMemoryRebound(to: CChar.self) { bytes in
                unsafe bytes.baseAddress.map { unsafe readlink("/proc/self/exe", $0, bytes.count) } ?? -1
            }
            count = max(0, length)
        }
        return path.isEmpty ? nil : String(decoding: path, as: UTF8.self)
    }

    /// Whether this process has arguments and the first begins with `text`. It is quicker than Swift's own list of them.
    package static func firstArgumentBegins(with text: StaticString) -> Bool {
        // SAFETY: the kernel hands over `argc` strings, each with its end, which is not reached where they are equal so far.
        guard CommandLine.argc > 1, let argument = unsafe CommandLine.unsafeArgv[1] else { return false }
        return unsafe strncmp(
            argument, UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self), text.utf8CodeUnitCount) == 0
    }

    /// The first of this process's arguments, counted from 1, that is no UTF-8 text. In Swift's own list of them it is mended.
    package static var argumentThatIsNoText: Int? {
        (1..<max(1, Int(CommandLine.argc))).first { number in
            // SAFETY: the kernel hands over `argc` strings, each with its end, that stay where they are.
            guard let argument = unsafe CommandLine.unsafeArgv[number] else { return false }
            return unsafe String(validatingCString: argument) == nil
        }
    }

    /// Connects those of standard input, output and error that are closed to /dev/null. Otherwise the next files to be
    /// opened would take their places.
    package static func openStandardStreams() {
        for descriptor: Int32 in 0...2 where caisson_is_open(descriptor) == 0 {
            // The lowest free number is this one.
            _ = try? FileDescriptor.open(FilePath("/dev/null"), .readWrite)
        }
    }

    /// Becomes the program at `path`, which inherits the environment and every descriptor that exec does not close. Returns
    /// only if that failed.
    package static func become(_ path: String, arguments: [String]) -> HostError {
        // SAFETY: the copies live until exec replaces the process or they are freed.
        var pointers: [UnsafeMutablePointer<CChar>?] = unsafe ([path] + arguments).map { unsafe strdup($0) }
        unsafe pointers.append(nil)
        defer { unsafe pointers.forEach { unsafe free($0) } }
        _ = unsafe execv(path, pointers)
        return HostError("start", path, Errno.current)
    }
}
