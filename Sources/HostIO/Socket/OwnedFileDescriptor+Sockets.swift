import CLinux
package import HostResources
import SystemPackage

extension OwnedFileDescriptor {
    /// Has what this process becomes keep it open.
    package func outlastExec() { _ = caisson_keep_over_exec(rawValue) }

    /// Writes a line to a socket that nothing else was written to, as far as there is room.
    package func sendLine(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        // SAFETY: the array's bytes.
        _ = unsafe bytes.withUnsafeBytes { unsafe caisson_send(rawValue, $0.baseAddress, $0.count) }
    }

    /// A Unix stream socket connected to the one that listens at `path`; it never waits.
    package init(connectingTo path: String) throws(HostError) {
        // SAFETY: a string is passed as a C string for the time of the call.
        let result = unsafe caisson_unix_connect(path)
        guard result >= 0 else { throw HostError("connect to", path, Errno(rawValue: -result)) }
        self.init(owning: result)
    }

    /// As `init(connectingTo:)`, at an abstract name.
    package init(connectingToAbstract name: String) throws(HostError) {
        // SAFETY: a string is passed as a C string for the time of the call.
        let result = unsafe caisson_unix_connect_abstract(name)
        guard result >= 0 else { throw HostError("connect to", "@\(name)", Errno(rawValue: -result)) }
        self.init(owning: result)
    }
}
