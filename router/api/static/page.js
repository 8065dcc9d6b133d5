"use strict";
const place = document.getElementById("reference");
Redoc.init(place.dataset.document, { disableSearch: true, nativeScrollbars: true, sortRequiredPropsFirst: true }, place);
