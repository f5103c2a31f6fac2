import FoundationEssentials

/// What the store remembers of a name.
package struct ImageRecord: Codable, Equatable, Sendable {
    /// Of this record's form.
    var schema = 1
    package var name: String
    /// Of the file that holds the file system or disk.
    package var digest: ImageDigest
    package var fileSystem: FileSystemKind
    /// As Linux counts them; 0 where the file is one file system.
    package var partition: Int
    /// Bytes of the file.
    package var size: UInt64
    /// Seconds since 1970.
    package var created: Int64
    /// What it was made from.
    package var source: String
    package var configuration: ImageConfiguration

    init(parsing bytes: [UInt8], path: String) throws(ImageStoreError) {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(bytes))
        } catch {
            throw .damagedRecord(path: path, problem: "\(error)")
        }
        guard schema == 1 else {
            throw .damagedRecord(path: path, problem: "its schema \(schema) is of a newer Caisson")
        }
        guard partition >= 0, (try? ImageName(name)) != nil else {
            throw .damagedRecord(path: path, problem: "it has values that no image has")
        }
    }

    init(
        name: ImageName, digest: ImageDigest, layout: DiskLayout, size: UInt64, source: String,
        configuration: ImageConfiguration, created: Int64
    ) {
        self.name = name.text
        self.digest = digest
        fileSystem = layout.fileSystem
        partition = layout.partition
        self.size = size
        self.source = source
        self.configuration = configuration
        self.created = created
    }

    /// When it was made, as in `2026-01-31T12:00:00Z`.
    package var createdText: String { Date(timeIntervalSince1970: Double(created)).formatted(.iso8601) }

    var json: [UInt8] {
        get throws(ImageStoreError) {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            do {
                return Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
            } catch {
                throw .damagedRecord(path: name, problem: "\(error)")
            }
        }
    }
}
