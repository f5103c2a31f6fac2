import GuestAgent

/// One input is what a guest sends over its agent's connection, in pieces, between which the host does what it may at any time:
/// a byte for that and for the piece's length, then the piece.
@_cdecl("LLVMFuzzerTestOneInput")
public func receiveFromGuest(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var rest = Array(UnsafeBufferPointer(start: start, count: count))[...]
    var session = AgentSession()
    var held: [CommandStream: Int] = [:]
    let input = [UInt8](repeating: 7, count: 100_000)
    while let control = rest.popFirst() {
        let piece = Array(rest.prefix(Int(control & 0x3f)))
        rest = rest.dropFirst(piece.count)
        guard let events = try? session.receive(piece.span) else { return 0 }
        for event in events {
            switch event {
            case .greeted(let needsSetup):
                if needsSetup { session.setUp(GuestSetup(device: "d", type: "t", hostName: "h")) }
                var request = CommandRequest(arguments: ["x"])
                request.hasInput = true
                request.terminal = control & 1 == 0 ? nil : .init(rows: 1, columns: 2)
                session.run(request)
            case .output(let stream, let bytes):
                held[stream, default: 0] += bytes.count
                precondition(held[stream, default: 0] <= AgentProtocol.outputWindow)
            default: break
            }
        }
        switch control >> 6 {
        case 0: _ = session.write(input.span)
        case 1:
            for (stream, count) in held { session.consumed(count, of: stream) }
            held = [:]
        case 2:
            _ = session.signal(2)
            session.resize(.init(rows: 3, columns: 4))
        default: session.close(control & 2 == 0 ? .input : .output)
        }
        var pending = 0
        session.send { bytes in
            pending = bytes.count
            return bytes.count
        }
        precondition(pending < 2 * AgentProtocol.inputWindow)
    }
    return 0
}
