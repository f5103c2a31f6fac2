/// A node of a device tree, with all below it (Devicetree 0.4, 2.2).
struct DeviceNode: Equatable {
    /// A property's value (2.2.4).
    enum Value: Equatable {
        /// Being there is all it says.
        case empty
        /// `u32` each, stored with the highest byte first.
        case cells([UInt32])
        /// A list of strings.
        case strings([String])
    }

    struct Property: Equatable {
        let name: String
        let value: Value
    }

    /// With its unit address, as in `cpu@0`; empty for the root.
    let name: String
    private(set) var properties: [Property] = []
    var children: [DeviceNode] = []

    init(_ name: String, compatible: [String] = []) {
        self.name = name
        if !compatible.isEmpty { set("compatible", .strings(compatible)) }
    }

    /// - Precondition: the node has no such property yet.
    mutating func set(_ name: String, _ value: Value) {
        precondition(!properties.contains { $0.name == name })
        properties.append(Property(name: name, value: value))
    }

    mutating func set(_ name: String, _ cells: UInt32...) { set(name, .cells(cells)) }
    mutating func set(_ name: String, _ strings: String...) { set(name, .strings(strings)) }
}
