/// The most that a device moves a second, as the user writes it among the device's options:
/// `bps=SIZE`, `iops=NUMBER`, and what may go at once after a pause, `bps_max=SIZE`, `iops_max=NUMBER`.
package struct RateSpecification: Equatable, Sendable {
    package var bytesPerSecond: UInt64?
    package var operationsPerSecond: UInt64?
    package var byteBurst: UInt64?
    package var operationBurst: UInt64?

    package init() {}

    /// The options' names, in the order in which they are written.
    package static let names = ["bps=", "bps_max=", "iops=", "iops_max="]

    private static func field(_ name: String) -> WritableKeyPath<RateSpecification, UInt64?>? {
        switch name {
        case "bps=": \.bytesPerSecond
        case "bps_max=": \.byteBurst
        case "iops=": \.operationsPerSecond
        case "iops_max=": \.operationBurst
        default: nil
        }
    }

    /// Takes one option's value. False for one that is no number from 1 up.
    /// - Parameters:
    ///   - name: one of `names`.
    ///   - size: reads a number of bytes as the user writes it.
    package mutating func set(_ name: String, _ value: String, size: (String) -> UInt64?) -> Bool {
        guard let field = Self.field(name) else { preconditionFailure("no option of a rate") }
        let number = name.hasPrefix("bps") ? size(value) : UInt64(value)
        guard let number, number > 0 else { return false }
        self[keyPath: field] = number
        return true
    }

    /// A burst without the rate that it belongs to, if there is one: the missing option.
    package var missing: String? {
        if byteBurst != nil, bytesPerSecond == nil { return "bps=" }
        if operationBurst != nil, operationsPerSecond == nil { return "iops=" }
        return nil
    }

    /// The options as a user would write them; sizes in bytes.
    package var words: [String] {
        Self.names.compactMap { name in
            Self.field(name).flatMap { self[keyPath: $0] }.map { "\(name)\($0)" }
        }
    }
}
