package import HostResources
import Synchronization
import SystemPackage

/// A network without privileges: a process at the other end of a stream of Ethernet frames that acts for the guest
/// on sockets of the host's.
///
/// The process ends when the machine's end of the stream is closed, and so with this one, whatever ends that.
package final class UserNetwork: Sendable {
    /// Bytes of the largest packet, which the helper knows as well: few large packets cost less than many.
    package static let mtu: UInt16 = 65520

    package let specification: UserNetworkSpecification
    /// The helper's path.
    package let program: String
    private let helper = Mutex<UserNetworkHelper?>(nil)

    /// - Parameter program: the helper's path; without it, `defaultProgram`.
    package init(_ specification: UserNetworkSpecification, program: String? = nil) {
        self.specification = specification
        self.program = program ?? Self.defaultProgram
    }

    deinit { stop() }

    /// $CAISSON_SLIRP, or `caisson-slirp` beside this program.
    package static var defaultProgram: String {
        if let path = HostProcess.environment("CAISSON_SLIRP") { return path }
        let own = HostProcess.executablePath ?? ""
        let folder = own.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(own[...$0]) } ?? ""
        return folder + "caisson-slirp"
    }

    /// Whether the helper is there at all.
    package var isAvailable: Bool { HostFile.exists(program) }

    /// Starts the helper before there is a driver to use it: ports that are published listen from here on.
    package func open() throws(UserNetworkError) {
        stop()
        let started = try UserNetworkHelper(program, arguments)
        helper.withLock { $0 = started }
    }

    /// Starts the helper, if `open` has not. A former one, whose stream was used, is ended before.
    /// - Parameters:
    ///   - loop: hears of the helper's end.
    ///   - died: is called on the loop if the helper ends before `stop`.
    /// - Returns: the machine's end of the stream.
    package func start(
        loop: EventLoop, died: @escaping @Sendable (UserNetworkError) -> Void
    ) throws(UserNetworkError) -> OwnedFileDescriptor {
        if let stream = try use(loop, died) { return stream }
        try open()
        guard let stream = try use(loop, died) else { preconditionFailure("a new helper's stream is nobody's yet") }
        return stream
    }

    private func use(
        _ loop: EventLoop, _ died: @escaping @Sendable (UserNetworkError) -> Void
    ) throws(UserNetworkError) -> OwnedFileDescriptor? {
        guard let helper = helper.withLock({ $0 }), let stream = helper.takeStream() else { return nil }
        do throws(HostError) { try helper.watch(on: loop) { died(.ended(status: $0)) } } catch { throw .host(error) }
        return stream
    }

    /// Ends the helper; nothing of it is left. From any thread.
    package func stop() {
        let helper = helper.withLock { $0.take() }
        helper?.stop()
    }

    /// The helper's process, while there is one.
    var processID: Int32? { helper.withLock { $0?.process } }

    private var arguments: [String] {
        (specification.reachesHostLoopback ? ["host-loopback"] : [])
            + specification.publishes.map {
                "\($0.transport.rawValue):\($0.hostAddress):\($0.hostPort):\($0.guestPort)"
            }
    }
}
