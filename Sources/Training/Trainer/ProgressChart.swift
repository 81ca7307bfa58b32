import Reporting

/// `progress.png`: losses and pseudo Dice, the duration of epochs, and the learning rate.
struct ProgressChart {
  private let chart: LineChart

  init(_ history: TrainingHistory) {
    let durations = zip(history.starts, history.ends).map { $1 - $0 }
    chart = LineChart([
      LineChart.Panel([
        .init("loss tr", color: (30, 60, 220), values: history.trainingLosses),
        .init("loss val", color: (220, 40, 40), values: history.validationLosses),
        .init("pseudo dice", color: (150, 215, 150), values: history.meanDice, isSecondary: true),
        .init("pseudo dice mov. avg.", color: (20, 140, 40), values: history.smoothedDice, isSecondary: true),
      ]),
      LineChart.Panel([.init("epoch duration", color: (30, 60, 220), values: durations)], including: 0),
      LineChart.Panel([.init("learning rate", color: (30, 60, 220), values: history.rates)], including: 0),
    ])
  }

  func write(to path: String) throws { try chart.write(to: path) }
}
