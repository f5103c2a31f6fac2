import Testing

@testable import HostIO

@Suite struct ShareSpecificationTests {
    static let usable: [(String, String, String, Bool)] = [
        ("/a:/b", "/a", "/b", false), ("src:/src:ro", "src", "/src", true), (".:/x:rw", ".", "/x", false),
        ("/a:b,c:/d//e/:ro", "/a:b,c", "/d/e", true), ("/a:ro:/b", "/a:ro", "/b", false),
        ("../a b:/c d", "../a b", "/c d", false), ("/a:/b:/c", "/a:/b", "/c", false), ("/:/host", "/", "/host", false),
    ]

    @Test(arguments: usable.indices) func isReadAndWritten(index: Int) throws {
        let (text, host, guest, isReadOnly) = Self.usable[index]
        let share = try ShareSpecification(text)
        #expect(share.hostPath == host && share.guestPath == guest && share.isReadOnly == isReadOnly)
        #expect(try ShareSpecification(share.description) == share)
    }

    static let unusable: [(String, ShareSpecificationError.Reason)] = [
        ("", .form), ("/a", .form), (":/b", .form), ("/a:", .form), ("/a:ro", .form), (":", .form),
        ("::", .unknownOption("")),
        ("/a:b", .relativeGuestPath("b")), ("/a:./b", .relativeGuestPath("./b")), ("/a\0:/b", .nul),
        ("/a:/b:z", .unknownOption("z")), ("/a:/b:", .unknownOption("")), ("/a:/b:ro,z", .unknownOption("ro,z")),
        ("/a:/", .guestRoot), ("/a://", .guestRoot), ("/a:/b/../c", .dotsInGuestPath("/b/../c")),
        ("/a:/./b", .dotsInGuestPath("/./b")), ("/a:/" + String(repeating: "b", count: 255), .longGuestPath),
    ]

    @Test(arguments: unusable.indices) func saysWhatIsWrong(index: Int) {
        let (text, reason) = Self.unusable[index]
        #expect(throws: ShareSpecificationError(text: text, reason: reason)) { try ShareSpecification(text) }
    }
}
