/// Words with commas between them; a comma in a word is written twice.
package enum CommaWords {
    package static func split(_ text: String) -> [String] {
        var words: [[UInt8]] = [[]]
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte != UInt8(ascii: ",") {
                words[words.count - 1].append(byte)
            } else if rest.first == UInt8(ascii: ",") {
                rest.removeFirst()
                words[words.count - 1].append(byte)
            } else {
                words.append([])
            }
        }
        return words.map { String(decoding: $0, as: UTF8.self) }
    }

    package static func escaped(_ text: String) -> String {
        String(decoding: text.utf8.flatMap { $0 == UInt8(ascii: ",") ? [$0, $0] : [$0] }, as: UTF8.self)
    }
}
