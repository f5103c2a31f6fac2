import CLinux
package import HostResources
import SystemPackage

extension OwnedFileDescriptor {
    /// A Unix stream socket connected to the one that listens at `path`; it never waits.
    package init(connectingTo path: String) throws(HostError) {
        // SAFETY: a string is passed as a C string for the time of the call.
        let result = unsafe caisson_unix_connect(path)
        guard result >= 0 else { throw HostError("connect to", path, Errno(rawValue: -result)) }
        self.init(owning: result)
    }
}
