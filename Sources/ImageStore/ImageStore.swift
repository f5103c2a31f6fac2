import CLinux
import Glibc
import HostIO
import SystemPackage

/// Images in a directory, each stored once.
///
/// `blobs` has the file systems, by their SHA-256; `names` has a record for each name, which says which of them it is. What is
/// being made has no name in the file system until it is whole and on stable storage, so there is never a half of it. `lock` is
/// held while names change, and shared while they are looked up.
package struct ImageStore: Sendable {
    package let path: String

    /// - Parameter path: the store's directory, which is made when the first image is.
    package init(at path: String) { self.path = path }

    /// The user's: `$XDG_DATA_HOME/caisson/images`, or `~/.local/share/caisson/images`. Nil without a home.
    package static var standard: ImageStore? {
        let data =
            HostProcess.environment("XDG_DATA_HOME") ?? HostProcess.environment("HOME").map { "\($0)/.local/share" }
        return data.map { ImageStore(at: "\($0)/caisson/images") }
    }

    var blobs: String { "\(path)/blobs" }
    var names: String { "\(path)/names" }
    private static let recordSuffix = ".json"

    func blobPath(_ digest: ImageDigest) -> String { "\(blobs)/\(digest.hexadecimal)" }
    func recordPath(_ name: ImageName) -> String { "\(names)/\(name.text)\(Self.recordSuffix)" }

    // MARK: Looking up

    /// An image to run, which stays until nobody holds it.
    package func image(named text: String) throws(ImageStoreError) -> StoredImage {
        let name = try ImageName(text)
        guard exists else { throw unknown(name) }
        return try withLock(exclusive: false) { () throws(ImageStoreError) in
            guard let record = try record(of: name) else { throw unknown(name) }
            let path = blobPath(record.digest)
            guard let use = try FileLock.trying(path, exclusive: false) else { throw .inUse(name.text) }
            return StoredImage(record: record, rootPath: path, use: use)
        }
    }

    /// All images, by their names.
    package func images() throws(ImageStoreError) -> [ImageRecord] {
        guard exists else { return [] }
        return try withLock(exclusive: false) { () throws(ImageStoreError) in try records() }
    }

    private var exists: Bool { HostFile.exists(path) }

    func unknown(_ name: ImageName) -> ImageStoreError { .unknownImage(name.text, store: path) }

    /// Nil where no image has the name.
    func record(of name: ImageName) throws(ImageStoreError) -> ImageRecord? {
        let path = recordPath(name)
        do {
            return try ImageRecord(parsing: Array(HostFile.text(of: path, limit: Self.longestRecord).utf8), path: path)
        } catch let error as HostError {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw .host(error)
        } catch let error as ImageStoreError {
            throw error
        } catch {
            throw .damagedRecord(path: path, problem: "\(error)")
        }
    }

    func records() throws(ImageStoreError) -> [ImageRecord] {
        var records: [ImageRecord] = []
        for file in try HostFolder.names(in: names).map(\.description).sorted() where file.hasSuffix(Self.recordSuffix)
        {
            guard let name = try? ImageName(String(file.dropLast(Self.recordSuffix.count))) else { continue }
            if let record = try record(of: name) { records.append(record) }
        }
        return records
    }

    /// Does something while nobody changes what the names say, or while nobody else looks at them.
    func withLock<Result>(
        exclusive: Bool, _ body: () throws(ImageStoreError) -> Result
    ) throws(ImageStoreError) -> Result {
        let lock = try FileLock.waiting("\(path)/lock", exclusive: exclusive)
        defer { withExtendedLifetime(lock) {} }
        return try body()
    }

    // MARK: Changing

    /// Makes the store's directories where they are missing.
    func prepare() throws(ImageStoreError) {
        try HostFolder.make(blobs)
        try HostFolder.make(names)
    }

    /// Bytes of a record: what is longer is not read either.
    private static let longestRecord = 1 << 20

    /// Takes a whole file system in, and lets a name mean it from now on.
    func commit(_ file: UnnamedFile, _ record: ImageRecord) throws(ImageStoreError) {
        let name = try ImageName(record.name)
        try file.synchronize()
        let contents = try record.json
        guard contents.count <= Self.longestRecord else {
            throw .source(record.source, problem: "its configuration has \(contents.count) bytes, too many to be sound")
        }
        try withLock(exclusive: true) { () throws(ImageStoreError) in
            // One that is there has the same bytes.
            _ = try file.setName(blobPath(record.digest))
            try HostFolder.synchronize(blobs)
            try write(contents, to: recordPath(name))
            try removeUnnamedBlobs()
        }
    }

    /// Replaces a record. Only for who holds the lock.
    private func write(_ contents: [UInt8], to path: String) throws(ImageStoreError) {
        let file = try UnnamedFile(in: names)
        try file.write(contents, at: 0)
        try file.synchronize()
        // Left by who was killed between the next two steps.
        let new = "\(names)/.new"
        try HostFolder.removeFile(new)
        _ = try file.setName(new)
        try HostFolder.rename(new, to: path)
        try HostFolder.synchronize(names)
    }

    /// Removes names, and what none needs any more.
    /// - Returns: the bytes that became free.
    @discardableResult
    package func remove(_ texts: [String]) throws(ImageStoreError) -> UInt64 {
        let names = try texts.map { text throws(ImageStoreError) in try ImageName(text) }
        guard exists else { throw names.first.map { unknown($0) } ?? .invalidName("") }
        return try withLock(exclusive: true) { () throws(ImageStoreError) in
            let records = try records()
            let going = Set(names.map(\.text))
            for name in names where !records.contains(where: { $0.name == name.text }) { throw unknown(name) }
            let kept = Set(records.filter { !going.contains($0.name) }.map(\.digest))
            for record in records where going.contains(record.name) && !kept.contains(record.digest) {
                if try isInUse(record.digest) { throw .inUse(record.name) }
            }
            for name in names { try HostFolder.removeFile(recordPath(name)) }
            try HostFolder.synchronize(self.names)
            return try removeUnnamedBlobs()
        }
    }

    /// Removes what no name needs, such as what was in use when its name went.
    /// - Returns: the bytes that became free.
    @discardableResult
    package func prune() throws(ImageStoreError) -> UInt64 {
        guard exists else { return 0 }
        return try withLock(exclusive: true) { () throws(ImageStoreError) in try removeUnnamedBlobs() }
    }

    private func isInUse(_ digest: ImageDigest) throws(ImageStoreError) -> Bool {
        let path = blobPath(digest)
        guard HostFile.exists(path) else { return false }
        return try FileLock.trying(path, exclusive: true) == nil
    }

    /// Only for who holds the lock: so nobody begins to use a blob meanwhile.
    @discardableResult
    private func removeUnnamedBlobs() throws(ImageStoreError) -> UInt64 {
        let named = Set(try records().map(\.digest.hexadecimal))
        var freed: UInt64 = 0
        for blob in try HostFolder.names(in: blobs).map(\.description) where !named.contains(blob) {
            guard let digest = ImageDigest("sha256:\(blob)"), try !isInUse(digest) else { continue }
            freed += (try? Stat(FilePath(blobPath(digest)))).map { UInt64($0.sizeAllocated) } ?? 0
            try HostFolder.removeFile(blobPath(digest))
        }
        return freed
    }
}
