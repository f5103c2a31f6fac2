extension OCIImage {
    /// Reads the layers and lays them upon each other.
    func tree(from folder: some BlobFolder, into spool: Spool, within budget: ImportBudget) throws(ImageStoreError)
        -> FileTree
    {
        var tree = FileTree()
        for layer in layers {
            let entries = try layer.entries(from: folder, into: spool, within: budget)
            do {
                try tree.apply(layer: entries)
            } catch {
                throw .source(folder.name, problem: "its layer '\(layer.path)' makes no sense: \(error)")
            }
        }
        return tree
    }
}

extension OCIImage.Layer {
    /// Reads the layer once, and finds out whether it is what it is said to be.
    func entries(
        from folder: some BlobFolder, into spool: Spool, within budget: ImportBudget
    ) throws(ImageStoreError) -> [LayerEntry] {
        guard let (file, count) = try folder.open(path) else {
            throw .source(folder.name, problem: "it has no layer '\(path)'")
        }
        let name = "\(folder.name): \(path)"
        if let size, size != count { throw .source(name, problem: "it has \(count) bytes in place of \(size)") }
        let blob = HashedSource(file)
        let content = HashedSource(try UnpackedSource(blob, name: name))
        let entries = try TarReader(content, name: name, into: spool, within: budget).read().entries
        let contentDigest = try content.finish()
        let blobDigest = try blob.finish()
        if let digest, digest != blobDigest {
            throw .source(name, problem: "it is damaged: its digest is \(blobDigest)")
        }
        guard contentDigest == self.contentDigest else {
            throw .source(
                name, problem: "it is damaged: its content's digest is \(contentDigest), not \(self.contentDigest)")
        }
        return entries
    }
}
