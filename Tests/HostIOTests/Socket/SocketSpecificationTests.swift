import Testing

@testable import HostIO

@Suite struct SocketSpecificationTests {
    static let usable: [(String, String, UInt32)] = [
        ("s", "s", 3), ("/run/a,,b,cid=3", "/run/a,b", 3), ("s,cid=4294967294", "s", 4_294_967_294),
    ]

    @Test(arguments: usable.indices) func isReadAndWritten(index: Int) throws {
        let (text, path, cid) = Self.usable[index]
        let specification = try SocketSpecification(text)
        #expect(specification.path == path && specification.cid == cid)
        #expect(try SocketSpecification(specification.description) == specification)
    }

    static let unusable: [(String, SocketSpecificationError.Reason)] = [
        ("", .noPath), (",cid=3", .noPath), ("a\0b", .nulInPath), ("s,cid=2", .unusableCID("2")),
        ("s,cid=4294967295", .unusableCID("4294967295")), ("s,cid=", .unusableCID("")), ("s,cid=x", .unusableCID("x")),
        ("s,port=1", .unknownOption("port=1")), ("s,cid=3,x", .unknownOption("x")),
        ("s,cid=3,cid=4", .repeatedOption("cid=")), (String(repeating: "s", count: 97), .longPath),
    ]

    @Test(arguments: unusable.indices) func saysWhatIsWrong(index: Int) {
        let (text, reason) = Self.unusable[index]
        #expect(throws: SocketSpecificationError(text: text, reason: reason)) { try SocketSpecification(text) }
    }
}
