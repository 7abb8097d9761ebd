"""What is known in a small town: takes nothing, gives its people, prices, ways, and what the weather asks for."""

PEOPLE = (
    "Alice", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Iris", "Jack", "Kate", "Leo",
    "Mary", "Noah", "Olive", "Paul", "Rose", "Sam", "Tom", "Vera", "Will", "Zoe",
)  # fmt: skip
DRINKS = {"tea": 2, "coffee": 3, "cocoa": 4, "lemonade": 3, "cider": 5, "glass of milk": 1}
DISHES = {"scone": 2, "sandwich": 6, "muffin": 4, "pie": 5, "biscuit": 1, "salad": 7, "soup": 6, "bun": 2}
"""Prices in pounds."""
WAYS = {
    "station": ("go straight on and turn left at the bank", 5),
    "museum": ("cross the bridge and turn right", 10),
    "library": ("turn left at the church", 3),
    "market": ("follow this street to its end", 7),
    "harbour": ("go down the hill to the water", 15),
    "hospital": ("turn right at the second light", 8),
    "post office": ("cross the square, it is on the left", 2),
    "theatre": ("pass the park and turn left", 12),
    "castle": ("walk up the hill behind the church", 20),
    "school": ("turn right after the bakery", 4),
}
"""The way to every place, and how many minutes it takes on foot."""
TIMES = (
    "noon", "one o'clock", "half past five", "six o'clock", "half past six", "seven o'clock", "eight o'clock",
)  # fmt: skip
PARTIES = ("two", "three", "four", "five", "six", "seven", "eight")
COLOURS = ("black", "blue", "brown", "green", "grey", "red", "white", "yellow")
LOST = ("umbrella", "bag", "hat", "scarf", "book", "coat", "wallet", "phone")
VEHICLES = ("bus", "train", "tram", "ferry", "night bus")
ANSWERS_TO_MOOD = {
    "well": "I am glad to hear that",
    "very happy": "That is good to hear",
    "fine": "I am glad to hear that",
    "tired": "Then I hope you can rest soon",
    "sad": "I am sorry to hear that",
    "a little worried": "I hope it will all end well",
}
CLOTHES = {
    "raining": ("a coat and an umbrella", "read a book at home"),
    "snowing": ("warm boots and gloves", "build a snowman"),
    "sunny": ("a hat and light clothes", "swim in the lake"),
    "windy": ("a thick jacket", "fly a kite"),
    "cold": ("a scarf and a warm coat", "bake some bread"),
    "foggy": ("bright clothes", "visit a museum"),
}
"""What to wear and what to do in every weather."""
