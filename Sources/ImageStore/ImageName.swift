/// What an image is called: up to 128 letters, digits, dots, underscores, hyphens and colons, with a letter or digit first.
/// It is a file's name too.
package struct ImageName: Hashable, Sendable {
    package let text: String

    package init(_ text: String) throws(ImageStoreError) {
        func isPlain(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: false
            }
        }
        let bytes = text.utf8
        guard let first = bytes.first, bytes.count <= 128, isPlain(first),
            bytes.allSatisfy({ isPlain($0) || [".", "_", "-", ":"].contains(UnicodeScalar($0)) })
        else { throw .invalidName(text) }
        self.text = text
    }
}
