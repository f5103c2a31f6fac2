package import HostIO
public import SystemPackage

/// A virtio socket device: streams between programs of the host's and of the guest's (`AF_VSOCK` to Linux), each found by a
/// port. `VirtualMachine.socketDevices` is the way to it in the same process.
public struct VirtioSocketDeviceConfiguration: Sendable, Equatable {
    /// A Unix socket, made when the machine starts, for other processes: a client that writes the line `CONNECT 52` is
    /// connected with port 52 of the guest's, after the answer `OK` and a number. What connects to port 52 of the host's in
    /// the guest gets to the Unix socket of this path with `_52` behind it, unless a `VirtioSocketListener` is there. At
    /// most 96 bytes; nil for none.
    public var path: FilePath?
    /// The guest's number, from 3 to 4294967294. The host is 2.
    public var contextIdentifier: UInt32 = 3

    /// A socket device, with or without a way for other processes.
    public init(path: FilePath? = nil) { self.path = path }
}

extension VirtioSocketDeviceConfiguration {
    package init(_ specification: SocketSpecification) {
        self.init(path: FilePath(specification.path))
        contextIdentifier = specification.cid
    }

    /// - Throws: `invalidConfiguration`.
    func validate() throws(VirtualMachineError) {
        func invalid(_ message: String) -> VirtualMachineError { VirtualMachineError(.invalidConfiguration, message) }
        guard SocketSpecification.cids.contains(contextIdentifier) else {
            throw invalid("\(contextIdentifier) identifies no guest: use 3 to \(SocketSpecification.cids.upperBound)")
        }
        guard let path else { return }
        guard (1...SocketSpecification.longestPath).contains(path.string.utf8.count) else {
            throw invalid(
                "a socket device's path has 1 to \(SocketSpecification.longestPath) bytes, and '\(path)' has "
                    + "\(path.string.utf8.count)")
        }
    }
}
